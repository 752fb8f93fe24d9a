//! Accounts: register, login, refresh, logout, me.
