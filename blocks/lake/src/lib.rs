//! The lake: tables of many rows with their history, rules for what comes in, questions in SQL.
