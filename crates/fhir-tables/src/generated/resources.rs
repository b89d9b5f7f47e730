// Written by `cargo xtask codegen` from FHIR R4 (4.0.1). Do not edit.

use crate::resource_type::{ResourceRow, ResourceType};
use crate::TypeId;

impl ResourceType {
    pub const ACCOUNT: ResourceType = ResourceType(0);
    pub const ACTIVITY_DEFINITION: ResourceType = ResourceType(1);
    pub const ADVERSE_EVENT: ResourceType = ResourceType(2);
    pub const ALLERGY_INTOLERANCE: ResourceType = ResourceType(3);
    pub const APPOINTMENT: ResourceType = ResourceType(4);
    pub const APPOINTMENT_RESPONSE: ResourceType = ResourceType(5);
    pub const AUDIT_EVENT: ResourceType = ResourceType(6);
    pub const BASIC: ResourceType = ResourceType(7);
    pub const BINARY: ResourceType = ResourceType(8);
    pub const BIOLOGICALLY_DERIVED_PRODUCT: ResourceType = ResourceType(9);
    pub const BODY_STRUCTURE: ResourceType = ResourceType(10);
    pub const BUNDLE: ResourceType = ResourceType(11);
    pub const CAPABILITY_STATEMENT: ResourceType = ResourceType(12);
    pub const CARE_PLAN: ResourceType = ResourceType(13);
    pub const CARE_TEAM: ResourceType = ResourceType(14);
    pub const CATALOG_ENTRY: ResourceType = ResourceType(15);
    pub const CHARGE_ITEM: ResourceType = ResourceType(16);
    pub const CHARGE_ITEM_DEFINITION: ResourceType = ResourceType(17);
    pub const CLAIM: ResourceType = ResourceType(18);
    pub const CLAIM_RESPONSE: ResourceType = ResourceType(19);
    pub const CLINICAL_IMPRESSION: ResourceType = ResourceType(20);
    pub const CODE_SYSTEM: ResourceType = ResourceType(21);
    pub const COMMUNICATION: ResourceType = ResourceType(22);
    pub const COMMUNICATION_REQUEST: ResourceType = ResourceType(23);
    pub const COMPARTMENT_DEFINITION: ResourceType = ResourceType(24);
    pub const COMPOSITION: ResourceType = ResourceType(25);
    pub const CONCEPT_MAP: ResourceType = ResourceType(26);
    pub const CONDITION: ResourceType = ResourceType(27);
    pub const CONSENT: ResourceType = ResourceType(28);
    pub const CONTRACT: ResourceType = ResourceType(29);
    pub const COVERAGE: ResourceType = ResourceType(30);
    pub const COVERAGE_ELIGIBILITY_REQUEST: ResourceType = ResourceType(31);
    pub const COVERAGE_ELIGIBILITY_RESPONSE: ResourceType = ResourceType(32);
    pub const DETECTED_ISSUE: ResourceType = ResourceType(33);
    pub const DEVICE: ResourceType = ResourceType(34);
    pub const DEVICE_DEFINITION: ResourceType = ResourceType(35);
    pub const DEVICE_METRIC: ResourceType = ResourceType(36);
    pub const DEVICE_REQUEST: ResourceType = ResourceType(37);
    pub const DEVICE_USE_STATEMENT: ResourceType = ResourceType(38);
    pub const DIAGNOSTIC_REPORT: ResourceType = ResourceType(39);
    pub const DOCUMENT_MANIFEST: ResourceType = ResourceType(40);
    pub const DOCUMENT_REFERENCE: ResourceType = ResourceType(41);
    pub const EFFECT_EVIDENCE_SYNTHESIS: ResourceType = ResourceType(42);
    pub const ENCOUNTER: ResourceType = ResourceType(43);
    pub const ENDPOINT: ResourceType = ResourceType(44);
    pub const ENROLLMENT_REQUEST: ResourceType = ResourceType(45);
    pub const ENROLLMENT_RESPONSE: ResourceType = ResourceType(46);
    pub const EPISODE_OF_CARE: ResourceType = ResourceType(47);
    pub const EVENT_DEFINITION: ResourceType = ResourceType(48);
    pub const EVIDENCE: ResourceType = ResourceType(49);
    pub const EVIDENCE_VARIABLE: ResourceType = ResourceType(50);
    pub const EXAMPLE_SCENARIO: ResourceType = ResourceType(51);
    pub const EXPLANATION_OF_BENEFIT: ResourceType = ResourceType(52);
    pub const FAMILY_MEMBER_HISTORY: ResourceType = ResourceType(53);
    pub const FLAG: ResourceType = ResourceType(54);
    pub const GOAL: ResourceType = ResourceType(55);
    pub const GRAPH_DEFINITION: ResourceType = ResourceType(56);
    pub const GROUP: ResourceType = ResourceType(57);
    pub const GUIDANCE_RESPONSE: ResourceType = ResourceType(58);
    pub const HEALTHCARE_SERVICE: ResourceType = ResourceType(59);
    pub const IMAGING_STUDY: ResourceType = ResourceType(60);
    pub const IMMUNIZATION: ResourceType = ResourceType(61);
    pub const IMMUNIZATION_EVALUATION: ResourceType = ResourceType(62);
    pub const IMMUNIZATION_RECOMMENDATION: ResourceType = ResourceType(63);
    pub const IMPLEMENTATION_GUIDE: ResourceType = ResourceType(64);
    pub const INSURANCE_PLAN: ResourceType = ResourceType(65);
    pub const INVOICE: ResourceType = ResourceType(66);
    pub const LIBRARY: ResourceType = ResourceType(67);
    pub const LINKAGE: ResourceType = ResourceType(68);
    pub const LIST: ResourceType = ResourceType(69);
    pub const LOCATION: ResourceType = ResourceType(70);
    pub const MEASURE: ResourceType = ResourceType(71);
    pub const MEASURE_REPORT: ResourceType = ResourceType(72);
    pub const MEDIA: ResourceType = ResourceType(73);
    pub const MEDICATION: ResourceType = ResourceType(74);
    pub const MEDICATION_ADMINISTRATION: ResourceType = ResourceType(75);
    pub const MEDICATION_DISPENSE: ResourceType = ResourceType(76);
    pub const MEDICATION_KNOWLEDGE: ResourceType = ResourceType(77);
    pub const MEDICATION_REQUEST: ResourceType = ResourceType(78);
    pub const MEDICATION_STATEMENT: ResourceType = ResourceType(79);
    pub const MEDICINAL_PRODUCT: ResourceType = ResourceType(80);
    pub const MEDICINAL_PRODUCT_AUTHORIZATION: ResourceType = ResourceType(81);
    pub const MEDICINAL_PRODUCT_CONTRAINDICATION: ResourceType = ResourceType(82);
    pub const MEDICINAL_PRODUCT_INDICATION: ResourceType = ResourceType(83);
    pub const MEDICINAL_PRODUCT_INGREDIENT: ResourceType = ResourceType(84);
    pub const MEDICINAL_PRODUCT_INTERACTION: ResourceType = ResourceType(85);
    pub const MEDICINAL_PRODUCT_MANUFACTURED: ResourceType = ResourceType(86);
    pub const MEDICINAL_PRODUCT_PACKAGED: ResourceType = ResourceType(87);
    pub const MEDICINAL_PRODUCT_PHARMACEUTICAL: ResourceType = ResourceType(88);
    pub const MEDICINAL_PRODUCT_UNDESIRABLE_EFFECT: ResourceType = ResourceType(89);
    pub const MESSAGE_DEFINITION: ResourceType = ResourceType(90);
    pub const MESSAGE_HEADER: ResourceType = ResourceType(91);
    pub const MOLECULAR_SEQUENCE: ResourceType = ResourceType(92);
    pub const NAMING_SYSTEM: ResourceType = ResourceType(93);
    pub const NUTRITION_ORDER: ResourceType = ResourceType(94);
    pub const OBSERVATION: ResourceType = ResourceType(95);
    pub const OBSERVATION_DEFINITION: ResourceType = ResourceType(96);
    pub const OPERATION_DEFINITION: ResourceType = ResourceType(97);
    pub const OPERATION_OUTCOME: ResourceType = ResourceType(98);
    pub const ORGANIZATION: ResourceType = ResourceType(99);
    pub const ORGANIZATION_AFFILIATION: ResourceType = ResourceType(100);
    pub const PARAMETERS: ResourceType = ResourceType(101);
    pub const PATIENT: ResourceType = ResourceType(102);
    pub const PAYMENT_NOTICE: ResourceType = ResourceType(103);
    pub const PAYMENT_RECONCILIATION: ResourceType = ResourceType(104);
    pub const PERSON: ResourceType = ResourceType(105);
    pub const PLAN_DEFINITION: ResourceType = ResourceType(106);
    pub const PRACTITIONER: ResourceType = ResourceType(107);
    pub const PRACTITIONER_ROLE: ResourceType = ResourceType(108);
    pub const PROCEDURE: ResourceType = ResourceType(109);
    pub const PROVENANCE: ResourceType = ResourceType(110);
    pub const QUESTIONNAIRE: ResourceType = ResourceType(111);
    pub const QUESTIONNAIRE_RESPONSE: ResourceType = ResourceType(112);
    pub const RELATED_PERSON: ResourceType = ResourceType(113);
    pub const REQUEST_GROUP: ResourceType = ResourceType(114);
    pub const RESEARCH_DEFINITION: ResourceType = ResourceType(115);
    pub const RESEARCH_ELEMENT_DEFINITION: ResourceType = ResourceType(116);
    pub const RESEARCH_STUDY: ResourceType = ResourceType(117);
    pub const RESEARCH_SUBJECT: ResourceType = ResourceType(118);
    pub const RISK_ASSESSMENT: ResourceType = ResourceType(119);
    pub const RISK_EVIDENCE_SYNTHESIS: ResourceType = ResourceType(120);
    pub const SCHEDULE: ResourceType = ResourceType(121);
    pub const SEARCH_PARAMETER: ResourceType = ResourceType(122);
    pub const SERVICE_REQUEST: ResourceType = ResourceType(123);
    pub const SLOT: ResourceType = ResourceType(124);
    pub const SPECIMEN: ResourceType = ResourceType(125);
    pub const SPECIMEN_DEFINITION: ResourceType = ResourceType(126);
    pub const STRUCTURE_DEFINITION: ResourceType = ResourceType(127);
    pub const STRUCTURE_MAP: ResourceType = ResourceType(128);
    pub const SUBSCRIPTION: ResourceType = ResourceType(129);
    pub const SUBSTANCE: ResourceType = ResourceType(130);
    pub const SUBSTANCE_NUCLEIC_ACID: ResourceType = ResourceType(131);
    pub const SUBSTANCE_POLYMER: ResourceType = ResourceType(132);
    pub const SUBSTANCE_PROTEIN: ResourceType = ResourceType(133);
    pub const SUBSTANCE_REFERENCE_INFORMATION: ResourceType = ResourceType(134);
    pub const SUBSTANCE_SOURCE_MATERIAL: ResourceType = ResourceType(135);
    pub const SUBSTANCE_SPECIFICATION: ResourceType = ResourceType(136);
    pub const SUPPLY_DELIVERY: ResourceType = ResourceType(137);
    pub const SUPPLY_REQUEST: ResourceType = ResourceType(138);
    pub const TASK: ResourceType = ResourceType(139);
    pub const TERMINOLOGY_CAPABILITIES: ResourceType = ResourceType(140);
    pub const TEST_REPORT: ResourceType = ResourceType(141);
    pub const TEST_SCRIPT: ResourceType = ResourceType(142);
    pub const VALUE_SET: ResourceType = ResourceType(143);
    pub const VERIFICATION_RESULT: ResourceType = ResourceType(144);
    pub const VISION_PRESCRIPTION: ResourceType = ResourceType(145);
}

pub(crate) static RESOURCES: [ResourceRow; 146] = [
    ResourceRow { name: "Account", ty: TypeId::ACCOUNT },
    ResourceRow { name: "ActivityDefinition", ty: TypeId::ACTIVITY_DEFINITION },
    ResourceRow { name: "AdverseEvent", ty: TypeId::ADVERSE_EVENT },
    ResourceRow { name: "AllergyIntolerance", ty: TypeId::ALLERGY_INTOLERANCE },
    ResourceRow { name: "Appointment", ty: TypeId::APPOINTMENT },
    ResourceRow { name: "AppointmentResponse", ty: TypeId::APPOINTMENT_RESPONSE },
    ResourceRow { name: "AuditEvent", ty: TypeId::AUDIT_EVENT },
    ResourceRow { name: "Basic", ty: TypeId::BASIC },
    ResourceRow { name: "Binary", ty: TypeId::BINARY },
    ResourceRow { name: "BiologicallyDerivedProduct", ty: TypeId::BIOLOGICALLY_DERIVED_PRODUCT },
    ResourceRow { name: "BodyStructure", ty: TypeId::BODY_STRUCTURE },
    ResourceRow { name: "Bundle", ty: TypeId::BUNDLE },
    ResourceRow { name: "CapabilityStatement", ty: TypeId::CAPABILITY_STATEMENT },
    ResourceRow { name: "CarePlan", ty: TypeId::CARE_PLAN },
    ResourceRow { name: "CareTeam", ty: TypeId::CARE_TEAM },
    ResourceRow { name: "CatalogEntry", ty: TypeId::CATALOG_ENTRY },
    ResourceRow { name: "ChargeItem", ty: TypeId::CHARGE_ITEM },
    ResourceRow { name: "ChargeItemDefinition", ty: TypeId::CHARGE_ITEM_DEFINITION },
    ResourceRow { name: "Claim", ty: TypeId::CLAIM },
    ResourceRow { name: "ClaimResponse", ty: TypeId::CLAIM_RESPONSE },
    ResourceRow { name: "ClinicalImpression", ty: TypeId::CLINICAL_IMPRESSION },
    ResourceRow { name: "CodeSystem", ty: TypeId::CODE_SYSTEM },
    ResourceRow { name: "Communication", ty: TypeId::COMMUNICATION },
    ResourceRow { name: "CommunicationRequest", ty: TypeId::COMMUNICATION_REQUEST },
    ResourceRow { name: "CompartmentDefinition", ty: TypeId::COMPARTMENT_DEFINITION },
    ResourceRow { name: "Composition", ty: TypeId::COMPOSITION },
    ResourceRow { name: "ConceptMap", ty: TypeId::CONCEPT_MAP },
    ResourceRow { name: "Condition", ty: TypeId::CONDITION },
    ResourceRow { name: "Consent", ty: TypeId::CONSENT },
    ResourceRow { name: "Contract", ty: TypeId::CONTRACT },
    ResourceRow { name: "Coverage", ty: TypeId::COVERAGE },
    ResourceRow { name: "CoverageEligibilityRequest", ty: TypeId::COVERAGE_ELIGIBILITY_REQUEST },
    ResourceRow { name: "CoverageEligibilityResponse", ty: TypeId::COVERAGE_ELIGIBILITY_RESPONSE },
    ResourceRow { name: "DetectedIssue", ty: TypeId::DETECTED_ISSUE },
    ResourceRow { name: "Device", ty: TypeId::DEVICE },
    ResourceRow { name: "DeviceDefinition", ty: TypeId::DEVICE_DEFINITION },
    ResourceRow { name: "DeviceMetric", ty: TypeId::DEVICE_METRIC },
    ResourceRow { name: "DeviceRequest", ty: TypeId::DEVICE_REQUEST },
    ResourceRow { name: "DeviceUseStatement", ty: TypeId::DEVICE_USE_STATEMENT },
    ResourceRow { name: "DiagnosticReport", ty: TypeId::DIAGNOSTIC_REPORT },
    ResourceRow { name: "DocumentManifest", ty: TypeId::DOCUMENT_MANIFEST },
    ResourceRow { name: "DocumentReference", ty: TypeId::DOCUMENT_REFERENCE },
    ResourceRow { name: "EffectEvidenceSynthesis", ty: TypeId::EFFECT_EVIDENCE_SYNTHESIS },
    ResourceRow { name: "Encounter", ty: TypeId::ENCOUNTER },
    ResourceRow { name: "Endpoint", ty: TypeId::ENDPOINT },
    ResourceRow { name: "EnrollmentRequest", ty: TypeId::ENROLLMENT_REQUEST },
    ResourceRow { name: "EnrollmentResponse", ty: TypeId::ENROLLMENT_RESPONSE },
    ResourceRow { name: "EpisodeOfCare", ty: TypeId::EPISODE_OF_CARE },
    ResourceRow { name: "EventDefinition", ty: TypeId::EVENT_DEFINITION },
    ResourceRow { name: "Evidence", ty: TypeId::EVIDENCE },
    ResourceRow { name: "EvidenceVariable", ty: TypeId::EVIDENCE_VARIABLE },
    ResourceRow { name: "ExampleScenario", ty: TypeId::EXAMPLE_SCENARIO },
    ResourceRow { name: "ExplanationOfBenefit", ty: TypeId::EXPLANATION_OF_BENEFIT },
    ResourceRow { name: "FamilyMemberHistory", ty: TypeId::FAMILY_MEMBER_HISTORY },
    ResourceRow { name: "Flag", ty: TypeId::FLAG },
    ResourceRow { name: "Goal", ty: TypeId::GOAL },
    ResourceRow { name: "GraphDefinition", ty: TypeId::GRAPH_DEFINITION },
    ResourceRow { name: "Group", ty: TypeId::GROUP },
    ResourceRow { name: "GuidanceResponse", ty: TypeId::GUIDANCE_RESPONSE },
    ResourceRow { name: "HealthcareService", ty: TypeId::HEALTHCARE_SERVICE },
    ResourceRow { name: "ImagingStudy", ty: TypeId::IMAGING_STUDY },
    ResourceRow { name: "Immunization", ty: TypeId::IMMUNIZATION },
    ResourceRow { name: "ImmunizationEvaluation", ty: TypeId::IMMUNIZATION_EVALUATION },
    ResourceRow { name: "ImmunizationRecommendation", ty: TypeId::IMMUNIZATION_RECOMMENDATION },
    ResourceRow { name: "ImplementationGuide", ty: TypeId::IMPLEMENTATION_GUIDE },
    ResourceRow { name: "InsurancePlan", ty: TypeId::INSURANCE_PLAN },
    ResourceRow { name: "Invoice", ty: TypeId::INVOICE },
    ResourceRow { name: "Library", ty: TypeId::LIBRARY },
    ResourceRow { name: "Linkage", ty: TypeId::LINKAGE },
    ResourceRow { name: "List", ty: TypeId::LIST },
    ResourceRow { name: "Location", ty: TypeId::LOCATION },
    ResourceRow { name: "Measure", ty: TypeId::MEASURE },
    ResourceRow { name: "MeasureReport", ty: TypeId::MEASURE_REPORT },
    ResourceRow { name: "Media", ty: TypeId::MEDIA },
    ResourceRow { name: "Medication", ty: TypeId::MEDICATION },
    ResourceRow { name: "MedicationAdministration", ty: TypeId::MEDICATION_ADMINISTRATION },
    ResourceRow { name: "MedicationDispense", ty: TypeId::MEDICATION_DISPENSE },
    ResourceRow { name: "MedicationKnowledge", ty: TypeId::MEDICATION_KNOWLEDGE },
    ResourceRow { name: "MedicationRequest", ty: TypeId::MEDICATION_REQUEST },
    ResourceRow { name: "MedicationStatement", ty: TypeId::MEDICATION_STATEMENT },
    ResourceRow { name: "MedicinalProduct", ty: TypeId::MEDICINAL_PRODUCT },
    ResourceRow { name: "MedicinalProductAuthorization", ty: TypeId::MEDICINAL_PRODUCT_AUTHORIZATION },
    ResourceRow { name: "MedicinalProductContraindication", ty: TypeId::MEDICINAL_PRODUCT_CONTRAINDICATION },
    ResourceRow { name: "MedicinalProductIndication", ty: TypeId::MEDICINAL_PRODUCT_INDICATION },
    ResourceRow { name: "MedicinalProductIngredient", ty: TypeId::MEDICINAL_PRODUCT_INGREDIENT },
    ResourceRow { name: "MedicinalProductInteraction", ty: TypeId::MEDICINAL_PRODUCT_INTERACTION },
    ResourceRow { name: "MedicinalProductManufactured", ty: TypeId::MEDICINAL_PRODUCT_MANUFACTURED },
    ResourceRow { name: "MedicinalProductPackaged", ty: TypeId::MEDICINAL_PRODUCT_PACKAGED },
    ResourceRow { name: "MedicinalProductPharmaceutical", ty: TypeId::MEDICINAL_PRODUCT_PHARMACEUTICAL },
    ResourceRow { name: "MedicinalProductUndesirableEffect", ty: TypeId::MEDICINAL_PRODUCT_UNDESIRABLE_EFFECT },
    ResourceRow { name: "MessageDefinition", ty: TypeId::MESSAGE_DEFINITION },
    ResourceRow { name: "MessageHeader", ty: TypeId::MESSAGE_HEADER },
    ResourceRow { name: "MolecularSequence", ty: TypeId::MOLECULAR_SEQUENCE },
    ResourceRow { name: "NamingSystem", ty: TypeId::NAMING_SYSTEM },
    ResourceRow { name: "NutritionOrder", ty: TypeId::NUTRITION_ORDER },
    ResourceRow { name: "Observation", ty: TypeId::OBSERVATION },
    ResourceRow { name: "ObservationDefinition", ty: TypeId::OBSERVATION_DEFINITION },
    ResourceRow { name: "OperationDefinition", ty: TypeId::OPERATION_DEFINITION },
    ResourceRow { name: "OperationOutcome", ty: TypeId::OPERATION_OUTCOME },
    ResourceRow { name: "Organization", ty: TypeId::ORGANIZATION },
    ResourceRow { name: "OrganizationAffiliation", ty: TypeId::ORGANIZATION_AFFILIATION },
    ResourceRow { name: "Parameters", ty: TypeId::PARAMETERS },
    ResourceRow { name: "Patient", ty: TypeId::PATIENT },
    ResourceRow { name: "PaymentNotice", ty: TypeId::PAYMENT_NOTICE },
    ResourceRow { name: "PaymentReconciliation", ty: TypeId::PAYMENT_RECONCILIATION },
    ResourceRow { name: "Person", ty: TypeId::PERSON },
    ResourceRow { name: "PlanDefinition", ty: TypeId::PLAN_DEFINITION },
    ResourceRow { name: "Practitioner", ty: TypeId::PRACTITIONER },
    ResourceRow { name: "PractitionerRole", ty: TypeId::PRACTITIONER_ROLE },
    ResourceRow { name: "Procedure", ty: TypeId::PROCEDURE },
    ResourceRow { name: "Provenance", ty: TypeId::PROVENANCE },
    ResourceRow { name: "Questionnaire", ty: TypeId::QUESTIONNAIRE },
    ResourceRow { name: "QuestionnaireResponse", ty: TypeId::QUESTIONNAIRE_RESPONSE },
    ResourceRow { name: "RelatedPerson", ty: TypeId::RELATED_PERSON },
    ResourceRow { name: "RequestGroup", ty: TypeId::REQUEST_GROUP },
    ResourceRow { name: "ResearchDefinition", ty: TypeId::RESEARCH_DEFINITION },
    ResourceRow { name: "ResearchElementDefinition", ty: TypeId::RESEARCH_ELEMENT_DEFINITION },
    ResourceRow { name: "ResearchStudy", ty: TypeId::RESEARCH_STUDY },
    ResourceRow { name: "ResearchSubject", ty: TypeId::RESEARCH_SUBJECT },
    ResourceRow { name: "RiskAssessment", ty: TypeId::RISK_ASSESSMENT },
    ResourceRow { name: "RiskEvidenceSynthesis", ty: TypeId::RISK_EVIDENCE_SYNTHESIS },
    ResourceRow { name: "Schedule", ty: TypeId::SCHEDULE },
    ResourceRow { name: "SearchParameter", ty: TypeId::SEARCH_PARAMETER },
    ResourceRow { name: "ServiceRequest", ty: TypeId::SERVICE_REQUEST },
    ResourceRow { name: "Slot", ty: TypeId::SLOT },
    ResourceRow { name: "Specimen", ty: TypeId::SPECIMEN },
    ResourceRow { name: "SpecimenDefinition", ty: TypeId::SPECIMEN_DEFINITION },
    ResourceRow { name: "StructureDefinition", ty: TypeId::STRUCTURE_DEFINITION },
    ResourceRow { name: "StructureMap", ty: TypeId::STRUCTURE_MAP },
    ResourceRow { name: "Subscription", ty: TypeId::SUBSCRIPTION },
    ResourceRow { name: "Substance", ty: TypeId::SUBSTANCE },
    ResourceRow { name: "SubstanceNucleicAcid", ty: TypeId::SUBSTANCE_NUCLEIC_ACID },
    ResourceRow { name: "SubstancePolymer", ty: TypeId::SUBSTANCE_POLYMER },
    ResourceRow { name: "SubstanceProtein", ty: TypeId::SUBSTANCE_PROTEIN },
    ResourceRow { name: "SubstanceReferenceInformation", ty: TypeId::SUBSTANCE_REFERENCE_INFORMATION },
    ResourceRow { name: "SubstanceSourceMaterial", ty: TypeId::SUBSTANCE_SOURCE_MATERIAL },
    ResourceRow { name: "SubstanceSpecification", ty: TypeId::SUBSTANCE_SPECIFICATION },
    ResourceRow { name: "SupplyDelivery", ty: TypeId::SUPPLY_DELIVERY },
    ResourceRow { name: "SupplyRequest", ty: TypeId::SUPPLY_REQUEST },
    ResourceRow { name: "Task", ty: TypeId::TASK },
    ResourceRow { name: "TerminologyCapabilities", ty: TypeId::TERMINOLOGY_CAPABILITIES },
    ResourceRow { name: "TestReport", ty: TypeId::TEST_REPORT },
    ResourceRow { name: "TestScript", ty: TypeId::TEST_SCRIPT },
    ResourceRow { name: "ValueSet", ty: TypeId::VALUE_SET },
    ResourceRow { name: "VerificationResult", ty: TypeId::VERIFICATION_RESULT },
    ResourceRow { name: "VisionPrescription", ty: TypeId::VISION_PRESCRIPTION },
];
