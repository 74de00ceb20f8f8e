// Package rabbit is what the consumer (package amqp) and the notify handler share
// about RabbitMQ: one supervised connection per broker, exchanges and queues that
// are declared by option, messages published with confirms, and errors that say
// what an operator can do.
//
// broker.go connects and reconnects, conn.go is one connection, topology.go
// declares, publisher.go publishes, pool.go shares publishers between handlers,
// address.go and tls.go read what a user typed.
//
// The library's own recovery (amqp091.Config.Recovery) is not used: it renews
// channels behind the caller's back, and what was delivered or published on the
// old ones can then no longer be told from what is new. Here a connection that is
// lost is lost with all its channels, and the next one begins from nothing.
//
// It imports nothing of the project but internal/suggest.
package rabbit
