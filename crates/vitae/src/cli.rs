//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A practice's whole FHIR R4 record, from one command.
#[derive(Debug, Parser)]
#[command(name = "vitae", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an empty practice: keys, database, first administrator.
    #[command(after_help = "Example:\n  vitae init --data practice --practice primary-care \
        --name 'Elm Street Family Practice' --admin nora --password-file password.txt")]
    Init(Init),
    /// Serve a practice; prints `ready http://ADDR` once it answers.
    #[command(after_help = "Example:\n  vitae serve --data practice --listen 127.0.0.1:8080")]
    Serve(Serve),
    /// Make a practice with invented patients if there is none, and serve it.
    #[command(after_help = "Example:\n  vitae demo --patients 200")]
    Demo(Demo),
    /// Write an invented practice as FHIR transaction Bundles; same seed, same bytes.
    #[command(after_help = "Example:\n  vitae generate --patients 100 --seed 7 --out bundles")]
    Generate(Generate),
    /// Programs that may ask for tokens.
    Client {
        #[command(subcommand)]
        command: ClientCommand,
    },
    /// Logins of people.
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Who may do what: the practice's policy, one readable file.
    Policy {
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// What wraps the key of the database.
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Load Bundles, NDJSON and single resources; goes on where it stopped.
    #[command(
        after_help = "Example:\n  vitae import --data practice --json bundles/ more.ndjson.gz"
    )]
    Import(Import),
    /// Write everything the practice holds, with a manifest of hashes.
    #[command(after_help = "Example:\n  vitae export --data practice --out export")]
    Export(Export),
    /// Recompute hashes, versions, index rows, references and the audit tree.
    #[command(after_help = "Example:\n  vitae verify --data practice")]
    Verify(Verify),
    /// Copy a practice, also while it is served.
    #[command(after_help = "Example:\n  vitae backup --data practice --to practice.backup\n  \
        vitae backup --data practice --to practice.backup \
        --recipient age1…\n\n\
        With a recipient, or the setting backup_recipients, the file is encrypted to it (age): \
        whoever has the server and all its keys cannot read it.")]
    Backup(Backup),
    /// Make a key for backups: its private half goes to a file, its public half is printed.
    #[command(after_help = "Example:\n  vitae backup-key --to backup.identity\n\n\
        Make it on another computer than the server, and keep it off it: on a medium in a safe. \
        Without it nobody opens a backup that is encrypted to it.")]
    BackupKey(BackupKey),
    /// Bring a backup back into an empty folder, verified.
    #[command(after_help = "Example:\n  vitae restore --from practice.backup --data practice\n  \
        vitae restore --from practice.backup --data practice --identity backup.identity")]
    Restore(Restore),
    /// Move a practice from its folder to a PostgreSQL database, or back; verified.
    #[command(after_help = "Example:\n  vitae move --data practice \
        --database-url postgres://vitae@localhost/vitae")]
    Move(Move),
    /// The audit log.
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Evaluate a FHIRPath expression on a resource.
    #[command(after_help = "Example:\n  vitae fhirpath --input patient.json 'name.given'")]
    Fhirpath(Fhirpath),
    /// Check a resource; prints an OperationOutcome.
    #[command(after_help = "Example:\n  vitae validate patient.json")]
    Validate(Validate),
    /// Measure a server: CRUD, import, reads, the chart, cold start.
    Bench(Box<bench::Bench>),
}

#[derive(Debug, Args)]
pub struct Data {
    /// Folder of the practice.
    #[arg(long, value_name = "DIR", env = "VITAE_DATA", hide_env_values = true)]
    pub data: PathBuf,
    /// PostgreSQL database of the practice; DIR/vitae.toml unless given.
    #[arg(long, value_name = "URL", env = "VITAE_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    PrimaryCare,
    Medspa,
    Concierge,
    Specialty,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::PrimaryCare => "primary-care",
            Kind::Medspa => "medspa",
            Kind::Concierge => "concierge",
            Kind::Specialty => "specialty",
        }
    }
}

#[derive(Debug, Args)]
pub struct Init {
    #[command(flatten)]
    pub data: Data,
    /// Kind of practice.
    #[arg(long, value_enum)]
    pub practice: Kind,
    /// Name of the practice, as patients know it.
    #[arg(long)]
    pub name: String,
    /// Login name of the first administrator.
    #[arg(long, value_name = "USER")]
    pub admin: String,
    /// File whose first line is the administrator's password.
    #[arg(long, value_name = "F")]
    pub password_file: PathBuf,
}

#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    pub data: Data,
    /// Address and port; port 0 picks a free one.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Chain of certificates in PEM; then only TLS is served.
    #[arg(long, value_name = "F", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key in PEM.
    #[arg(long, value_name = "F", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Configuration file; DIR/vitae.toml unless given.
    #[arg(long, value_name = "F")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Demo {
    /// Folder of the demo practice; kept between runs.
    #[arg(long, value_name = "DIR", default_value = "vitae-demo")]
    pub data: PathBuf,
    /// Address and port; port 0 picks a free one.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Invented patients.
    #[arg(long, value_name = "N", default_value_t = DEMO_PATIENTS)]
    pub patients: u64,
    /// Kind of practice.
    #[arg(long, value_enum, default_value = "primary-care")]
    pub practice: Kind,
    /// Same seed, same people.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
}

/// Patients of a demo practice unless asked otherwise.
pub const DEMO_PATIENTS: u64 = 300;

#[derive(Debug, Args)]
pub struct Generate {
    /// Invented patients.
    #[arg(long, value_name = "N")]
    pub patients: u64,
    /// Same seed, same bytes.
    #[arg(long, value_name = "S")]
    pub seed: u64,
    /// Folder for the Bundles, one file per patient.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Kind of practice.
    #[arg(long, value_enum, default_value = "primary-care")]
    pub practice: Kind,
    /// Last day of the story.
    #[arg(long, value_name = "DATE", default_value = "2026-01-15")]
    pub today: String,
}

#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Register a program; prints its id and secret as JSON, this once.
    #[command(after_help = "Example:\n  vitae client add --data practice --name lab \
        --scope 'system/*.cruds'\n  vitae client add --data practice --name growth --public \
        --scope 'launch launch/patient openid fhirUser patient/*.rs' \
        --redirect-uri https://growth.example.org/back \
        --launch-uri https://growth.example.org/launch")]
    Add(ClientAdd),
    /// Show all programs as JSON lines, those that wait for approval too.
    #[command(after_help = "Example:\n  vitae client list --data practice")]
    List(ClientList),
    /// Agree to a program that registered itself.
    #[command(after_help = "Example:\n  vitae client approve --data practice 0f3c…")]
    Approve(ClientApprove),
}

#[derive(Debug, Args)]
pub struct ClientAdd {
    #[command(flatten)]
    pub data: Data,
    /// Name for people.
    #[arg(long, value_name = "N")]
    pub name: String,
    /// SMART scopes that it may be granted at most, parted by spaces: system/ for the program by
    /// itself; patient/ and user/, launch, launch/patient, openid, fhirUser, offline_access for
    /// one that acts for people.
    #[arg(long)]
    pub scope: String,
    /// Address that a person may be sent back to; may be given several times.
    #[arg(long, value_name = "URI")]
    pub redirect_uri: Vec<String>,
    /// Address at which it is opened from a chart.
    #[arg(long, value_name = "URI")]
    pub launch_uri: Option<String>,
    /// It cannot keep a secret: it runs in a browser or on a phone.
    #[arg(long, conflicts_with_all = ["jwks_file", "jwks_uri"])]
    pub public: bool,
    /// File with its public keys (JWKS); it signs instead of having a secret.
    #[arg(long, value_name = "F")]
    pub jwks_file: Option<PathBuf>,
    /// Address of its public keys.
    #[arg(long, value_name = "URL", conflicts_with = "jwks_file")]
    pub jwks_uri: Option<String>,
}

#[derive(Debug, Args)]
pub struct ClientList {
    #[command(flatten)]
    pub data: Data,
}

#[derive(Debug, Args)]
pub struct ClientApprove {
    #[command(flatten)]
    pub data: Data,
    /// The program's id.
    #[arg(value_name = "ID")]
    pub id: String,
}

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Print the policy that holds.
    #[command(after_help = "Example:\n  vitae policy show --data practice > policy.toml")]
    Show(PolicyShow),
    /// Let another policy hold from now on, also for whoever is logged in.
    #[command(after_help = "Example:\n  vitae policy set --data practice policy.toml")]
    Set(PolicySet),
    /// Say whether a policy can be understood.
    #[command(after_help = "Example:\n  vitae policy check policy.toml")]
    Check(PolicyCheck),
}

#[derive(Debug, Args)]
pub struct PolicyShow {
    #[command(flatten)]
    pub data: Data,
}

#[derive(Debug, Args)]
pub struct PolicySet {
    #[command(flatten)]
    pub data: Data,
    /// The policy, in TOML.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub struct PolicyCheck {
    /// The policy, in TOML.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add a login.
    #[command(after_help = "Example:\n  vitae user add --data practice --name omar \
        --role provider --password-file password.txt")]
    Add(UserAdd),
    /// Invite a person: prints a link, good once and for three days, with which they set how they
    /// sign in.
    #[command(after_help = "Example:\n  vitae user invite --data practice --name omar \
        --role provider")]
    Invite(UserInvite),
    /// Say as whom the record knows a login, in place of what was said before.
    #[command(after_help = "Example:\n  vitae user link --data practice --name omar \
        --practitioner p17\n\nWho is a Practitioner takes part in the care of those patients whose \
        record says so; who is a RelatedPerson acts for its patient.")]
    Link(UserLink),
}

#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Say where the master key is, and which older ones are kept.
    #[command(after_help = "Example:\n  vitae key list --data practice")]
    List(KeyList),
    /// Make a new master key and wrap the key of the database with it, also while it is served;
    /// or let a command of yours wrap it, so that a KMS or HSM keeps the master key.
    #[command(after_help = "Example:\n  vitae key rotate --data practice\n  \
        vitae key rotate --data practice -- /usr/local/bin/vault-wrap transit/vitae\n\nThe command \
        is run with the word wrap or unwrap behind its arguments; it reads one line and writes \
        one line. The older key is kept, for older backups.")]
    Rotate(KeyRotate),
}

#[derive(Debug, Args)]
pub struct KeyList {
    /// Folder of the practice.
    #[arg(long, value_name = "DIR", env = "VITAE_DATA")]
    pub data: PathBuf,
}

#[derive(Debug, Args)]
pub struct KeyRotate {
    /// Folder of the practice.
    #[arg(long, value_name = "DIR", env = "VITAE_DATA")]
    pub data: PathBuf,
    /// Command that wraps and unwraps the key, and its arguments.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

#[derive(Debug, Args)]
pub struct UserInvite {
    #[command(flatten)]
    pub data: Data,
    /// Login name; of an account that exists, the link lets its owner set a new password.
    #[arg(long, value_name = "N")]
    pub name: String,
    /// admin, front-desk, nurse, provider, biller, privacy-officer or patient; needed for somebody
    /// new.
    #[arg(long, value_parser = parse_role)]
    pub role: Option<record::Role>,
    /// For the role patient: id of the Patient resource.
    #[arg(long, value_name = "ID")]
    pub patient: Option<String>,
}

#[derive(Debug, Args)]
pub struct UserLink {
    #[command(flatten)]
    pub data: Data,
    /// Login name.
    #[arg(long, value_name = "N")]
    pub name: String,
    /// Id of the Practitioner that is this person.
    #[arg(long, value_name = "ID")]
    pub practitioner: Option<String>,
    /// Id of a RelatedPerson as whom this person acts for a patient; may be given several times.
    #[arg(long, value_name = "ID")]
    pub related_person: Vec<String>,
}

#[derive(Debug, Args)]
pub struct UserAdd {
    #[command(flatten)]
    pub data: Data,
    /// Login name.
    #[arg(long, value_name = "N")]
    pub name: String,
    /// admin, front-desk, nurse, provider, biller, privacy-officer or patient.
    #[arg(long, value_parser = parse_role)]
    pub role: record::Role,
    /// For the role patient: id of the Patient resource.
    #[arg(long, value_name = "ID")]
    pub patient: Option<String>,
    /// For the role patient: id of a RelatedPerson as whom this person acts for a patient; may be
    /// given several times.
    #[arg(long, value_name = "ID")]
    pub related_person: Vec<String>,
    /// For staff: id of the Practitioner that is this person; apps that ask who signed in are
    /// told.
    #[arg(long, value_name = "ID", conflicts_with = "patient")]
    pub practitioner: Option<String>,
    /// File whose first line is the password.
    #[arg(long, value_name = "F")]
    pub password_file: PathBuf,
}

fn parse_role(text: &str) -> Result<record::Role, String> {
    record::Role::parse(text).ok_or_else(|| {
        let all: Vec<&str> = record::Role::ALL.iter().map(|role| role.as_str()).collect();
        format!("use one of {}", all.join(", "))
    })
}

#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    pub data: Data,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
    /// Files (.json, .xml, .ndjson, also .gz, .zst, .tar) and folders of these.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    pub data: Data,
    /// Folder to write to; must be empty or missing.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Only what is in the compartment of this Patient.
    #[arg(long, value_name = "ID")]
    pub patient: Option<String>,
}

#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    pub data: Data,
    /// Print the findings as JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Backup {
    #[command(flatten)]
    pub data: Data,
    /// File to write.
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// Public half of a key that opens the file, as `backup-key` or age-keygen prints it, in place
    /// of those of the setting `backup_recipients`; may be given several times: each opens it.
    #[arg(long, value_name = "KEY")]
    pub recipient: Vec<String>,
}

#[derive(Debug, Args)]
pub struct BackupKey {
    /// The new file; for its owner only.
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
}

#[derive(Debug, Args)]
pub struct Restore {
    /// File that `backup` wrote.
    #[arg(long, value_name = "FILE")]
    pub from: PathBuf,
    /// File with the private half of a key to which the backup is encrypted.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    #[command(flatten)]
    pub data: Data,
}

#[derive(Debug, Args)]
pub struct Move {
    #[command(flatten)]
    pub data: Data,
    /// Back into the folder.
    #[arg(long)]
    pub to_folder: bool,
}

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check the audit log against itself, and against a head that was witnessed.
    #[command(after_help = "Example:\n  vitae audit verify --data practice")]
    Verify(AuditVerify),
    /// Write a copy of the audit log that can be checked without the practice.
    #[command(after_help = "Example:\n  vitae audit export --data practice --to audit.ndjson")]
    Export(AuditExport),
    /// Check a copy of the audit log: names every leaf that was edited, put in, taken out, put
    /// elsewhere or cut off.
    #[command(after_help = "Example:\n  vitae audit check audit.ndjson --witness heads.ndjson")]
    Check(AuditCheck),
    /// Print the public keys that check what the practice signs: heads of its audit log, and what
    /// it says as a witness of others.
    #[command(after_help = "Example:\n  vitae audit key --data practice")]
    Key(AuditKeyOf),
}

#[derive(Debug, Args)]
pub struct AuditKeyOf {
    #[command(flatten)]
    pub data: Data,
}

#[derive(Debug, Args)]
pub struct AuditVerify {
    #[command(flatten)]
    pub data: Data,
    /// A head of the log that was written down earlier; several may be given.
    #[arg(long, value_name = "HEX")]
    pub head: Vec<String>,
    /// File of a witness (setting `audit_witness`): all heads in it.
    #[arg(long, value_name = "FILE")]
    pub witness: Option<PathBuf>,
    /// Public key that `audit key` printed: it must have signed every head of the file.
    #[arg(long, value_name = "KEY", requires = "witness")]
    pub key: Option<String>,
}

#[derive(Debug, Args)]
pub struct AuditExport {
    #[command(flatten)]
    pub data: Data,
    /// The new file.
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
}

#[derive(Debug, Args)]
pub struct AuditCheck {
    /// What `audit export` wrote.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A head of the log that was written down earlier; several may be given.
    #[arg(long, value_name = "HEX")]
    pub head: Vec<String>,
    /// File of a witness (setting `audit_witness`): all heads in it.
    #[arg(long, value_name = "FILE")]
    pub witness: Option<PathBuf>,
    /// Public key that `audit key` printed: it must have signed every head of the file.
    #[arg(long, value_name = "KEY", requires = "witness")]
    pub key: Option<String>,
}

#[derive(Debug, Args)]
pub struct Fhirpath {
    /// A resource in JSON or XML.
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,
    /// The expression.
    pub expression: String,
}

#[derive(Debug, Args)]
pub struct Validate {
    /// A resource in JSON or XML.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent_and_every_command_has_an_example() {
        Cli::command().debug_assert();
        let mut open = vec![Cli::command()];
        while let Some(command) = open.pop() {
            let subcommands: Vec<_> = command.get_subcommands().cloned().collect();
            if subcommands.is_empty() {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.starts_with("Example:\n  vitae "), "{}", command.get_name());
            }
            open.extend(subcommands);
        }
    }

    /// `UPDATE=1 cargo test -p vitae` writes the page.
    #[test]
    fn the_page_about_commands_is_made_from_the_command_line() {
        let mut page = String::from(
            "# Commands\n\n\
             Errors are one line on stderr that says what to do; status 1 when the work could not be \
             done or its finding is bad, 2 for wrong usage.\n\
             Commands with `--data` work on a practice at rest and on one that is served: then the \
             serving process runs them.\n",
        );
        let mut root = Cli::command().term_width(100);
        root.build();
        let backwards = |command: &clap::Command| {
            let mut list: Vec<_> = command.get_subcommands().cloned().collect();
            list.reverse();
            list
        };
        let mut open = backwards(&root);
        while let Some(mut command) = open.pop() {
            if command.get_name() == "help" {
                continue;
            }
            let subcommands = backwards(&command);
            if subcommands.is_empty() {
                let name = command.get_bin_name().unwrap_or_default().to_owned();
                let help = command.render_help().to_string();
                page.push_str(&format!("\n## {name}\n\n```text\n{}\n```\n", help.trim_end()));
            }
            open.extend(subcommands);
        }
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &page).expect("writes");
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(written, page, "run UPDATE=1 cargo test -p vitae");
    }
}
