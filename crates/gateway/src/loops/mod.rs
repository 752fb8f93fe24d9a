//! The loops that carry rows onward: dispatch, record, supervise.
