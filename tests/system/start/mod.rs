//! What a start refuses, and in which words.

mod one_process;
mod poolers;
