//! The roles that tests walk every route as.

use kernel::Result;
use store::Db;

use crate::{
    agent, directory,
    load::{self, CitizenSeed, LegalPersonSeed, OfficerSeed, OrganisationSeed},
    token,
};

/// Somebody who may ask for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    Anonymous,
    Citizen,
    /// A citizen acting for a firm.
    Agent,
    Clerk,
    Examiner,
    Approver,
    Supervisor,
    Operator,
    Security,
    Auditor,
}

impl Role {
    pub const ALL: [Self; 10] = [
        Self::Anonymous,
        Self::Citizen,
        Self::Agent,
        Self::Clerk,
        Self::Examiner,
        Self::Approver,
        Self::Supervisor,
        Self::Operator,
        Self::Security,
        Self::Auditor,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Citizen => "citizen",
            Self::Agent => "agent",
            Self::Clerk => "clerk",
            Self::Examiner => "examiner",
            Self::Approver => "approver",
            Self::Supervisor => "supervisor",
            Self::Operator => "operator",
            Self::Security => "security",
            Self::Auditor => "auditor",
        }
    }

    fn is_officer(self) -> bool {
        !matches!(self, Self::Anonymous | Self::Citizen | Self::Agent)
    }
}

/// The organisation of the officers that [`install`] makes.
pub const ORG: &str = "11321000MB0000019N";
/// The firm that the agent acts for.
pub const FIRM: &str = "91321000MA0000023T";

/// Makes one person of each role (login `role-…`) and answers the bearer token of each, none for
/// the anonymous one. Made again on a second call.
pub async fn install(db: &Db) -> Result<Vec<(Role, Option<String>)>> {
    db.write(|tx| async move { people(&tx).await }).await?;
    let mut tokens = Vec::new();
    for role in Role::ALL {
        let token = match role {
            Role::Anonymous => None,
            _ => Some(token::create(db, &format!("role-{}", role.name()), "roles", 1).await?),
        };
        tokens.push((role, token));
    }
    let firm = directory::party_by_code(db.read(), FIRM).await?;
    let user = directory::user_by_name(db.read(), "role-agent").await?;
    if let (Some(firm), Some(user)) = (firm, user) {
        agent::act_for_with_all_tokens(db, user.id, firm.id).await?;
    }
    Ok(tokens)
}

async fn people(tx: &store::Tx) -> Result<()> {
    let organisation = OrganisationSeed {
        code: ORG.into(),
        region: "321000".into(),
        name_zh: "示范政务服务局（合成）".into(),
        name_en: "Sample Government Services Bureau (synthetic)".into(),
        short_name: "示范局".into(),
        ..OrganisationSeed::default()
    };
    load::organisation(tx, &organisation).await?;
    for (role, code) in [
        (Role::Citizen, "320000199001010012"),
        (Role::Agent, "320000199001010020"),
    ] {
        let seed = CitizenSeed {
            code: code.into(),
            name: format!("合成{}", role.name()),
            phone: "13800138000".into(),
            login: Some(format!("role-{}", role.name())),
            ..CitizenSeed::default()
        };
        // No password: these people sign in with tokens only.
        load::citizen(tx, &seed, "").await?;
    }
    let firm = LegalPersonSeed {
        code: FIRM.into(),
        name: "合成餐饮有限公司".into(),
        ..LegalPersonSeed::default()
    };
    load::legal_person(tx, &firm).await?;
    load::agent(tx, FIRM, "role-agent", agent::EVERYTHING).await?;
    for role in Role::ALL.into_iter().filter(|role| role.is_officer()) {
        let seed = OfficerSeed {
            login: format!("role-{}", role.name()),
            name: format!("合成{}", role.name()),
            posts: vec![(role.name().to_owned(), ORG.to_owned())],
        };
        load::officer(tx, &seed, "").await?;
    }
    Ok(())
}
