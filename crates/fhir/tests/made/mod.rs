//! Random resources that obey the tables.

use fhir::json::Value;
use fhir_tables::{ElementDef, ResourceType, TypeId, TypeKind};

/// A small generator of numbers (SplitMix64): same seed, same resource.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

/// A resource of a random type: required elements, and some of the others.
pub fn resource(seed: u64) -> Value {
    let mut random = Random(seed);
    let ty = ResourceType::ALL[random.below(ResourceType::ALL.len())];
    let mut members = vec![("resourceType".to_owned(), Value::from(ty.name()))];
    add_members(ty.type_id(), 0, &mut members, &mut random);
    Value::Object(members)
}

fn add_members(ty: TypeId, depth: usize, members: &mut Vec<(String, Value)>, random: &mut Random) {
    for element in ty.def().elements {
        if element.min == 0 && (depth > 3 || !random.one_in(4 + depth * 4)) {
            continue;
        }
        // A contained resource must be referred to; an extension has either value or extensions.
        if element.name == "contained" || (ty == TypeId::EXTENSION && element.name == "extension") {
            continue;
        }
        add_member(ty, element, depth, members, random);
    }
    if ty == TypeId::EXTENSION && !members.iter().any(|(name, _)| name.starts_with("value")) {
        members.push(("valueBoolean".to_owned(), Value::Bool(true)));
    }
    let only_id = members.len() == 1 && members[0].0 == "id";
    if members.is_empty() || only_id {
        members.push(("extension".to_owned(), Value::array([extension(random)])));
    }
}

fn extension(random: &mut Random) -> Value {
    Value::object([
        ("url", Value::from(random.pick(&["http://example.org/a", "urn:b"]))),
        ("valueString", text(random)),
    ])
}

fn add_member(
    ty: TypeId,
    element: &ElementDef,
    depth: usize,
    members: &mut Vec<(String, Value)>,
    random: &mut Random,
) {
    let type_idx = random.below(element.types.len());
    let value_ty = element.types[type_idx].ty;
    let name = ty
        .def()
        .json_names()
        .find(|name| ty.def().elements[name.1].name == element.name && name.2 == type_idx)
        .map(|name| name.0)
        .expect("every element has a JSON name");
    if !element.is_array() {
        let value = value(element, value_ty, depth, random);
        let may_have_sibling = value_ty.kind() == TypeKind::Primitive
            && value_ty != TypeId::XHTML
            && !element.xml_attr;
        if may_have_sibling && random.one_in(8) {
            let sibling = Value::object([("extension", Value::array([extension(random)]))]);
            members.push((format!("_{name}"), sibling));
        }
        members.push((name.to_owned(), value));
        return;
    }
    let n_items = 1 + random.below(2);
    let mut items: Vec<Value> =
        (0..n_items).map(|_| value(element, value_ty, depth, random)).collect();
    if value_ty.kind() == TypeKind::Primitive && random.one_in(3) {
        items.push(Value::Null);
        let mut siblings = vec![Value::Null; n_items];
        siblings.push(Value::object([("extension", Value::array([extension(random)]))]));
        members.push((format!("_{name}"), Value::Array(siblings)));
    }
    members.push((name.to_owned(), Value::Array(items)));
}

fn value(element: &ElementDef, ty: TypeId, depth: usize, random: &mut Random) -> Value {
    match ty.kind() {
        TypeKind::Primitive => primitive(element, ty, random),
        TypeKind::Abstract | TypeKind::Resource => {
            Value::object([("resourceType", Value::from("Basic")), ("code", concept())])
        }
        TypeKind::Complex if element.binding.is_some() => concept(),
        TypeKind::Complex | TypeKind::Backbone => {
            let mut members = vec![];
            add_members(ty, depth + 1, &mut members, random);
            Value::Object(members)
        }
    }
}

fn concept() -> Value {
    Value::object([("text", Value::from("x"))])
}

fn text(random: &mut Random) -> Value {
    Value::from(random.pick(&["a", "\"<&>'", "é 😀", "line\nline", "tab\there", " x ", "\\u0041"]))
}

fn primitive(element: &ElementDef, ty: TypeId, random: &mut Random) -> Value {
    if let Some(codes) = element.binding.and_then(|value_set| value_set.codes()) {
        return Value::from(random.pick(codes));
    }
    let number = |text: &str| Value::Number(text.to_owned());
    match ty {
        TypeId::BOOLEAN => Value::Bool(random.one_in(2)),
        TypeId::DECIMAL => number(random.pick(&["1.50", "-0.0", "1e-7", "100"])),
        TypeId::INTEGER => number(random.pick(&["0", "-5", "2147483647"])),
        TypeId::UNSIGNED_INT => number(random.pick(&["0", "7"])),
        TypeId::POSITIVE_INT => number(random.pick(&["1", "2147483647"])),
        TypeId::STRING | TypeId::MARKDOWN => text(random),
        TypeId::CODE => Value::from(random.pick(&["a", "a b"])),
        TypeId::ID => Value::from(random.pick(&["a", "A-1.b"])),
        TypeId::OID => Value::from("urn:oid:1.2.3"),
        TypeId::UUID => Value::from("urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
        TypeId::DATE => Value::from(random.pick(&["2020", "2020-02", "2020-02-29"])),
        TypeId::DATE_TIME => Value::from(random.pick(&["2020", "2020-02-29T10:00:00+01:00"])),
        TypeId::INSTANT => Value::from("2020-02-29T10:00:00.123Z"),
        TypeId::TIME => Value::from("10:00:00"),
        TypeId::BASE64_BINARY => Value::from("QUJDRA=="),
        TypeId::XHTML => {
            Value::from("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>a &amp; é</p></div>")
        }
        _ => Value::from(random.pick(&["http://example.org/x?a=b&c", "urn:x"])),
    }
}
