//! Service matters, applications and cases: from a guide page to a delivered result.
//!
//! Owns the tables `service_*`. Promises: a case follows the states of licensing law and nothing
//! else; handing in twice makes one case; every move leaves a line in the timeline and an event;
//! dates are counted by the official calendar or not at all. Never decides anything by itself:
//! officers and the processes of packs do.

pub mod case;
pub mod guide;
pub mod import;
pub mod matter;
pub mod theme;
