//! What the kernel promises to the outside: other products read what it writes, and its words are
//! complete.

#[cfg(test)]
mod openssl;
