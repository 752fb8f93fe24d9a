//! System tests: the real server, as its users see it. The folders mirror the routes.
