//! The result of a granted case: a certificate of the credential library.

use std::sync::Arc;

use credential::{Issue, Issuer};
use identity::{Party, PartyKind};
use kernel::{Error, Result};
use serde_json::{Map, Value};
use store::Tx;

use crate::case::{
    Outcome, act,
    store::{self as rows, Case},
};

/// Issues the certificate that the matter promises to the applicant, in the write of the step.
///
/// A case without one goes on without. The face takes what the form says under the face's own
/// keys, then what the case knows of the applicant.
pub(crate) async fn issue(tx: &Tx, case: &mut Case) -> Result<Map<String, Value>> {
    let Some(kind) = case.facts.terms.certificate.clone() else {
        return Ok(Map::new());
    };
    if act::outcome(&case.facts) != Some(Outcome::Approved) {
        return Err(Error::refused("service-work-not-approved"));
    }
    let Some(holder) = holder(tx, case).await? else {
        // A walk-in without an account gets paper; there is no wallet to put a certificate into.
        return Ok(Map::new());
    };
    let issue = Issue {
        type_code: kind,
        holder,
        issuer: Issuer {
            code: case.org.clone(),
            name: case.org_name.clone(),
        },
        face: face(case, form(tx, case).await?.as_deref()),
        number: None,
        valid_from: None,
        valid_to: None,
        case_no: Some(case.number.clone()),
        replaces: None,
        actor: "system".to_owned(),
    };
    let issued = credential::issue(tx, &issue).await?;
    case.certificate = Some(issued.id.to_string());
    rows::update(tx, case)?;
    let known = [
        ("certificate_id", issued.id.to_string()),
        ("certificate_zzbs", issued.zzbs),
        ("certificate_number", issued.number),
    ];
    let known = known.map(|(name, value)| (name.to_owned(), Value::from(value)));
    Ok(known.into_iter().collect())
}

async fn holder(tx: &Tx, case: &Case) -> Result<Option<Party>> {
    let Some(Ok(id)) = case.applicant.party.as_deref().map(str::parse) else {
        return Ok(None);
    };
    match identity::directory::party(&**tx, id).await {
        Ok(party) => Ok(Some(party)),
        Err(Error::NotFound { .. }) => Ok(Some(Party {
            id,
            kind: match case.applicant.kind.as_str() {
                "legal" => PartyKind::Legal,
                _ => PartyKind::Natural,
            },
            name: case.applicant.name.clone(),
            code: case.applicant.code.clone(),
            phone: case.applicant.phone.clone(),
            address: case.applicant.address.clone(),
        })),
        Err(error) => Err(error),
    }
}

/// The form that the case was filled in with, for the titles of chosen answers.
async fn form(tx: &Tx, case: &Case) -> Result<Option<Arc<forms::Form>>> {
    let Some(id) = &case.form else {
        return Ok(None);
    };
    match pack::form(&**tx, id).await {
        Ok(form) => Ok(Some(form)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A chosen answer by its Chinese title, for a certificate is read by people; anything else as it
/// was typed.
fn say(field: Option<&forms::Field>, value: &Value) -> Value {
    let title = |code: &Value| {
        let choices = field.map_or(&[][..], |field| field.choices.as_slice());
        let chosen = choices.iter().find(|c| code.as_str() == Some(&*c.value));
        chosen.map(|choice| choice.title.zh.clone())
    };
    match value {
        Value::Array(several) => {
            let titles: Option<Vec<String>> = several.iter().map(title).collect();
            titles.map_or_else(|| value.clone(), |titles| Value::from(titles.join("、")))
        }
        one => title(one).map_or_else(|| one.clone(), Value::from),
    }
}

fn face(case: &Case, form: Option<&forms::Form>) -> Map<String, Value> {
    let applicant = &case.applicant;
    let known = [
        ("firm_name", &applicant.name),
        ("holder_name", &applicant.name),
        ("firm_code", &applicant.code),
        ("holder_code", &applicant.code),
        ("premises_address", &applicant.address),
        ("address", &applicant.address),
        ("matter_name", &case.matter_name),
        ("case_no", &case.number),
        ("org_name", &case.org_name),
    ];
    let known = known.into_iter().filter(|(_, value)| !value.is_empty());
    let mut face: Map<String, Value> = known
        .map(|(key, value)| (key.to_owned(), Value::from(value.clone())))
        .collect();
    let typed = case.data.as_object().into_iter().flatten();
    for (key, value) in typed.filter(|(_, value)| !value.is_null() && *value != "") {
        let field = form.and_then(|form| form.field(key));
        face.insert(key.clone(), say(field, value));
    }
    face
}
