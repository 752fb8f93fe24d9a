# Read by the other scripts (`. scripts/path.sh`, from the project's root), and run by nobody.
# Where setup.sh puts a Node.js of the project's own, where the system's is too old; it goes first.
waypost_node=$PWD/${CARGO_TARGET_DIR:-target}/node
case ${CARGO_TARGET_DIR:-} in /*) waypost_node=$CARGO_TARGET_DIR/node ;; esac
# Where setup.sh unpacks fail2ban-regex, where the system has none.
waypost_fail2ban=${waypost_node%/node}/fail2ban
# Where setup.sh puts the tools of lint.sh.
waypost_tools=${waypost_node%/node}/tools
# rustup puts cargo into the home folder, and a shell that was open before does not know.
export PATH="$waypost_node/node_modules/node/bin:$waypost_tools/bin:$PATH:$waypost_fail2ban:$HOME/.cargo/bin"
