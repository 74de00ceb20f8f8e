// Package amqp is the door for notifications from RabbitMQ. It takes the place
// of Yagi, which fed the Python Winchester.
//
//	consumer, err := amqp.New(amqp.Config{
//		URL:    os.Getenv("RABBITMQ_URL"),
//		Sink:   engine,
//		Queues: []amqp.Queue{{Name: "winchester", Exchange: "nova", RoutingKeys: []string{"notifications.*"}}},
//	})
//	...
//	err = consumer.Run(ctx) // until ctx ends
//
// The engine must have a Distiller, which says what a message may be: see package
// distiller. A CloudEvent in binary mode, whose attributes are headers, is put
// together here. A service that is configured by files gets its consumer from
// package config: Config.Consumer.
//
// What it promises: a message is acknowledged after the database has committed
// what became of it, and not before. Until then the broker delivers it again,
// whatever happens; and as an event is stored once for each message id, it takes
// effect once. A message that cannot become an event goes to a dead-letter queue
// or file, with the reason, and is acknowledged when it is safe there.
//
//	what happens                                 | what becomes of the messages
//	---------------------------------------------|------------------------------------------------
//	stored, a duplicate, dropped by definitions, | acknowledged
//	or filtered out by event type                |
//	malformed, or not fit to be stored           | dead letter, then acknowledged
//	the database is away                         | kept, and tried again with a back-off
//	dead letters cannot be put away              | kept, and tried again with a back-off
//	connection lost, process killed              | delivered again by the broker
//
// consumer.go starts and stops, worker.go consumes one queue, batch.go is the way
// of a batch through the database, deadletter.go and deadfile.go take what is
// poison, filter.go and cloudevents.go look at messages, config.go says what can
// be set. docs/rabbitmq.md is the operator's guide.
//
// The package stands on the root package and internal/rabbit; the distiller, stores
// and handlers are not known here.
package amqp
