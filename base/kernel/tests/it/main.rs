//! What the kernel promises to the outside: other products read what it writes, its calendar is
//! the official one, its words are complete.

#[cfg(test)]
mod base_pack;
#[cfg(test)]
mod calendar;
#[cfg(test)]
mod openssl;
#[cfg(test)]
mod rubbish;
#[cfg(test)]
mod words;
