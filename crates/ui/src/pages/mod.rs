//! Pages outside the chart.

pub mod account;
pub mod again;
pub mod apps;
pub mod audit;
pub mod consent;
pub mod emergency;
pub mod error;
pub mod explain;
pub mod login;
pub mod patients;
pub mod people;
pub mod raw;
pub mod security;
pub mod today;
