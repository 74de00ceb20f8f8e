package store

import (
	"strings"
	"syscall"
)

// unanswered gives a connection up when what was sent has not been acknowledged
// for so long: keep-alive only watches over idle ones. The option is Linux's
// TCP_USER_TIMEOUT (tcp(7)), in milliseconds.
func unanswered(network, _ string, c syscall.RawConn) (err error) {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	const tcpUserTimeout = 18
	if fault := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(silence.Milliseconds()))
	}); fault != nil {
		return fault
	}
	return err
}
