//! Facts of the specification that the tables must hold, and the laws of the lookups.

use fhir_tables::{
    COMPARTMENTS, OPERATIONS, ResourceType, SearchKind, TypeId, TypeKind, compartment, operation,
    search_param, search_params,
};

#[test]
fn resource_types_are_the_146_of_r4_in_order() {
    assert_eq!(ResourceType::ALL.len(), 146);
    let names: Vec<&str> = ResourceType::ALL.iter().map(|ty| ty.name()).collect();
    assert!(names.is_sorted());
    for ty in ResourceType::ALL {
        assert_eq!(ResourceType::from_name(ty.name()), Some(ty));
        assert_eq!(ty.type_id().name(), ty.name());
        assert_eq!(ty.type_id().resource_type(), Some(ty));
        assert_eq!(ty.type_id().kind(), TypeKind::Resource);
    }
    assert_eq!(ResourceType::MEDICATION_REQUEST.name(), "MedicationRequest");
    assert_eq!(ResourceType::from_name("DomainResource"), None);
    assert_eq!(ResourceType::from_name("patient"), None);
}

#[test]
fn every_name_of_every_type_is_found_and_no_other() {
    for ty in TypeId::all() {
        assert_eq!(TypeId::by_name(ty.name()), Some(ty));
        for (name, element_idx, type_idx) in ty.def().json_names() {
            assert_eq!(ty.element_index(name), Some((element_idx, type_idx)), "{ty:?} {name}");
            assert!(ty.element(&format!("{name}X")).is_none(), "{ty:?} {name}");
        }
        for name in ["", "value[x]", "Id", "ids", "_id"] {
            assert!(ty.element(name).is_none(), "{ty:?} {name}");
        }
    }
}

#[test]
fn a_choice_is_found_by_its_typed_name() {
    let (element, ty) = TypeId::OBSERVATION.element("valueQuantity").expect("valueQuantity");
    assert_eq!((element.name, element.choice, ty.ty), ("value", true, TypeId::QUANTITY));
    assert!(TypeId::OBSERVATION.element("value").is_none());
    assert!(TypeId::OBSERVATION.element("valueAddress").is_none());
    let by_path = TypeId::OBSERVATION.element_by_path_name("value").expect("value");
    assert_eq!(by_path.types.len(), 11);
    assert_eq!(TypeId::EXTENSION.element_by_path_name("value").expect("value").types.len(), 50);
}

#[test]
fn a_content_reference_leads_to_the_backbone_it_names() {
    let item = TypeId::by_name("Questionnaire.item").expect("Questionnaire.item");
    let (nested, ty) = item.element("item").expect("item");
    assert_eq!((nested.max, ty.ty), (u16::MAX, item));
    assert_eq!(item.kind(), TypeKind::Backbone);
    let link = TypeId::by_name("Bundle.entry").and_then(|ty| ty.element("link")).expect("link");
    assert_eq!(link.1.ty.name(), "Bundle.link");
}

#[test]
fn cardinality_targets_and_bindings_are_those_of_the_specification() {
    let observation = TypeId::OBSERVATION.def();
    let required: Vec<&str> = observation
        .elements
        .iter()
        .enumerate()
        .filter(|(element_idx, _)| observation.required & (1 << element_idx) != 0)
        .map(|(_, element)| element.name)
        .collect();
    assert_eq!(required, ["status", "code"]);
    let (status, _) = TypeId::OBSERVATION.element("status").expect("status");
    let codes = status.binding.expect("a required binding");
    assert_eq!(codes.url(), "http://hl7.org/fhir/ValueSet/observation-status");
    assert!(codes.contains("final") && !codes.contains("done"));
    let (_, subject) = TypeId::OBSERVATION.element("subject").expect("subject");
    let targets: Vec<&str> = subject.targets.iter().map(|ty| ty.name()).collect();
    assert_eq!(targets, ["Device", "Group", "Location", "Patient"]);
    let (_, focus) = TypeId::OBSERVATION.element("focus").expect("focus");
    assert!(focus.targets.is_empty(), "focus may be anything");
    let (mime, _) = TypeId::ATTACHMENT.element("contentType").expect("contentType");
    assert_eq!(mime.binding.expect("a required binding").codes(), None);
}

#[test]
fn every_listed_code_is_found() {
    let bindings = TypeId::all().flat_map(|ty| ty.def().elements).filter_map(|e| e.binding);
    let mut n_codes = 0;
    for value_set in bindings {
        for code in value_set.codes().into_iter().flatten() {
            assert!(value_set.contains(code), "{} {code}", value_set.url());
            n_codes += 1;
        }
    }
    assert!(n_codes > 4_000, "{n_codes}");
}

#[test]
fn ids_of_resources_and_of_elements_have_their_own_types() {
    assert_eq!(TypeId::PATIENT.element("id").expect("id").1.ty, TypeId::ID);
    assert_eq!(TypeId::HUMAN_NAME.element("id").expect("id").1.ty, TypeId::STRING);
    let (url, ty) = TypeId::EXTENSION.element("url").expect("url");
    assert_eq!((url.xml_attr, ty.ty), (true, TypeId::URI));
}

#[test]
fn types_know_what_they_specialise() {
    assert!(TypeId::PATIENT.is_subtype_of(TypeId::DOMAIN_RESOURCE));
    assert!(!TypeId::BUNDLE.is_subtype_of(TypeId::DOMAIN_RESOURCE));
    assert!(TypeId::BUNDLE.is_subtype_of(TypeId::RESOURCE));
    assert!(TypeId::AGE.is_subtype_of(TypeId::QUANTITY));
    assert!(TypeId::MARKDOWN.is_subtype_of(TypeId::STRING));
    let contact = TypeId::by_name("Patient.contact").expect("Patient.contact");
    assert!(contact.is_subtype_of(TypeId::BACKBONE_ELEMENT));
    assert!(TypeId::ELEMENT.def().base.is_none() && TypeId::RESOURCE.def().base.is_none());
}

#[test]
fn search_expressions_are_split_by_base() {
    let param = |ty, code| search_param(ty, code).expect(code);
    let gender = param(ResourceType::PATIENT, "gender");
    assert_eq!((gender.expression, gender.kind), ("Patient.gender", SearchKind::Token));
    let patient = param(ResourceType::OBSERVATION, "patient");
    assert_eq!(patient.expression, "Observation.subject.where(resolve() is Patient)");
    let code = param(ResourceType::ALLERGY_INTOLERANCE, "code");
    assert_eq!(code.expression, "AllergyIntolerance.code | AllergyIntolerance.reaction.substance");
    for ty in ResourceType::ALL {
        let codes: Vec<&str> = search_params(ty).iter().map(|param| param.code).collect();
        assert!(codes.is_sorted() && codes.contains(&"_id"), "{ty}");
        assert_eq!(codes.contains(&"_text"), ty.type_id().is_subtype_of(TypeId::DOMAIN_RESOURCE));
        assert!(search_params(ty).iter().all(|param| param.base == ty));
    }
}

#[test]
fn a_composite_names_parameters_of_the_same_type() {
    for ty in ResourceType::ALL {
        for param in search_params(ty).iter().filter(|p| p.kind == SearchKind::Composite) {
            assert!(param.components.len() >= 2, "{ty} {}", param.code);
            for (code, expression) in param.components {
                assert!(search_param(ty, code).is_some(), "{ty} {} {code}", param.code);
                assert!(!expression.is_empty());
            }
        }
    }
}

#[test]
fn compartments_name_reference_parameters_that_exist() {
    assert_eq!(COMPARTMENTS.len(), 5);
    for def in &COMPARTMENTS {
        assert_eq!(def.code, def.root.name());
        for (ty, codes) in def.params {
            for code in *codes {
                let param = search_param(*ty, code).unwrap_or_else(|| panic!("{ty} {code}"));
                assert_eq!(param.kind, SearchKind::Reference, "{} {ty} {code}", def.code);
            }
        }
    }
    let patient = compartment("Patient").expect("Patient");
    assert_eq!(patient.params_of(ResourceType::OBSERVATION), ["subject", "performer"]);
    assert!(patient.params_of(ResourceType::LOCATION).is_empty());
    assert!(compartment("patient").is_none());
}

#[test]
fn operations_are_found_by_level_and_type() {
    assert!(OPERATIONS.iter().all(|def| def.system || def.type_level || def.instance));
    let everything = operation("everything", Some(ResourceType::PATIENT)).expect("everything");
    assert_eq!(everything.url, "http://hl7.org/fhir/OperationDefinition/Patient-everything");
    assert!(!everything.affects_state && everything.instance && !everything.params.is_empty());
    assert!(operation("everything", Some(ResourceType::OBSERVATION)).is_none());
    assert!(operation("validate", Some(ResourceType::OBSERVATION)).is_some());
    assert!(operation("meta", None).is_some());
}
