//! Things that die at the worst moment.

mod crash;
