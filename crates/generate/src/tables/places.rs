//! The invented region of the practice. Street, town and plan names are made up.

/// Towns around the practice: name and ZIP code, nearest first.
pub const TOWNS: &[(&str, &str)] = &[
    ("Alder Falls", "01097"),
    ("Alder Falls", "01099"),
    ("Brackett Mills", "01094"),
    ("Cedar Landing", "01087"),
    ("East Alder", "01098"),
    ("Harlow Bridge", "01091"),
    ("Northmoor", "01065"),
    ("Quarry Hill", "01064"),
];

/// State of every address.
pub const STATE: &str = "MA";

/// Area codes of the region; numbers use the fictional block 555-0100 to 555-0199.
pub const AREA_CODES: &[&str] = &["413", "508", "617", "774", "857", "978"];

/// Street names.
#[rustfmt::skip]
pub const STREETS: &[&str] = &[
    "Alder Street", "Appleton Road", "Ashwood Lane", "Beacon Hill Road", "Birch Street",
    "Bridge Street", "Canal Street", "Cedar Avenue", "Chapel Street", "Chestnut Street",
    "Church Street", "Clover Lane", "College Avenue", "Cottage Street", "Depot Road",
    "Dwight Street", "East Main Street", "Elm Street", "Fairview Avenue", "Falls Road",
    "Ferry Street", "Forest Avenue", "Foundry Lane", "Garden Street", "Grove Street",
    "Harvest Drive", "Hawthorne Road", "High Street", "Hillcrest Drive", "Juniper Court",
    "Laurel Street", "Lincoln Avenue", "Locust Street", "Main Street", "Maple Avenue",
    "Meadow Lane", "Mill Road", "Mountain View Drive", "Oak Street", "Old Post Road",
    "Orchard Lane", "Park Street", "Pine Street", "Pleasant Street", "Prospect Street",
    "Quarry Road", "Ridge Road", "River Road", "Rosewood Drive", "School Street", "South Street",
    "Spring Street", "Spruce Street", "State Street", "Summer Street", "Summit Avenue",
    "Sycamore Drive", "Union Street", "Walnut Street", "Water Street", "West Street",
    "Willow Lane", "Winter Street", "Woodland Drive",
];

/// Kinds of payer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayerKind {
    /// Through an employer or the exchange.
    Commercial,
    /// Federal, from 65 or with a disability.
    Medicare,
    /// State.
    Medicaid,
    /// The patient pays.
    SelfPay,
}

/// A payer: id, name, payer id, kind, plan name.
#[derive(Debug)]
pub struct Payer {
    /// Id of the Organization.
    pub id: &'static str,
    /// Name of the payer.
    pub name: &'static str,
    /// Identifier on claims.
    pub number: &'static str,
    /// Kind.
    pub kind: PayerKind,
    /// Name of the plan.
    pub plan: &'static str,
}

/// Payers of the region, self-pay last.
pub const PAYERS: &[Payer] = &[
    Payer {
        id: "payer-bayline",
        name: "Bayline Health Plan",
        number: "90001",
        kind: PayerKind::Commercial,
        plan: "Bayline Choice PPO",
    },
    Payer {
        id: "payer-granite",
        name: "Granite Mutual Health",
        number: "90002",
        kind: PayerKind::Commercial,
        plan: "Granite HMO Silver",
    },
    Payer {
        id: "payer-northstar",
        name: "Northstar Benefits",
        number: "90003",
        kind: PayerKind::Commercial,
        plan: "Northstar HDHP with HSA",
    },
    Payer {
        id: "payer-keystone",
        name: "Keystone Employers Trust",
        number: "90004",
        kind: PayerKind::Commercial,
        plan: "Keystone EPO",
    },
    Payer {
        id: "payer-medicare",
        name: "Medicare Part B",
        number: "90005",
        kind: PayerKind::Medicare,
        plan: "Original Medicare",
    },
    Payer {
        id: "payer-bayline-advantage",
        name: "Bayline Advantage",
        number: "90006",
        kind: PayerKind::Medicare,
        plan: "Bayline Medicare Advantage HMO",
    },
    Payer {
        id: "payer-statecare",
        name: "StateCare Medicaid",
        number: "90007",
        kind: PayerKind::Medicaid,
        plan: "StateCare Standard",
    },
    Payer {
        id: "payer-self",
        name: "Self-pay",
        number: "90008",
        kind: PayerKind::SelfPay,
        plan: "Self-pay",
    },
];
