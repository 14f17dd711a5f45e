//! Only so that Cargo has something to depend on the sources.
