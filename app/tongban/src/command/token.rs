//! `tongban token`: access for programs.

use std::process::ExitCode;

use clap::Subcommand;

use crate::{assemble, config::Config, out};

#[derive(Subcommand)]
pub enum Token {
    /// Create a token and print it, once
    Create {
        /// Sign-in name of the user for whom the program acts
        #[arg(long)]
        user: String,
        /// What the token is for, shown in the user's list
        #[arg(long, default_value = "command line")]
        label: String,
        /// Days until it ends
        #[arg(long, default_value_t = 90)]
        days: i64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(token: Token, config: Config) -> anyhow::Result<ExitCode> {
    let Token::Create {
        user,
        label,
        days,
        json,
    } = token;
    let db = assemble::open(&config).await?;
    assemble::migrate(&db).await?;
    let token = identity::token::create(&db, &user, &label, days).await?;
    if json {
        out::json(&serde_json::json!({ "user": user, "token": token, "days": days }))?;
    } else {
        out::line(token);
    }
    Ok(ExitCode::SUCCESS)
}
