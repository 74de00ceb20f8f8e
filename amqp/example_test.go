package amqp_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/amqp"
)

// A service consumes until it is told to stop, and then drains.
func Example() {
	var engine *winchester.Engine // with a Distiller

	consumer, err := amqp.New(amqp.Config{
		URL:  os.Getenv("RABBITMQ_URL"), // amqps://user:password@rabbit.internal/vhost
		Sink: engine,
		Queues: []amqp.Queue{{
			Name: "winchester.notifications", Exchange: "nova", ExchangeTransient: true,
			RoutingKeys:    []string{"notifications.info", "notifications.error"},
			ExcludeFilters: []string{"*.start"},
		}},
	})
	if err != nil {
		log.Fatal(err) // everything that is wrong with the configuration
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err = consumer.Check(ctx) // the broker is there, and has such queues as are described
	if err == nil {
		err = consumer.Run(ctx)
	}
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

// redact is a Sink that stands before another one: this is where messages can be
// looked at, or changed, before they are stored.
type redact struct{ amqp.Sink }

func (r redact) AddNotifications(ctx context.Context, bodies [][]byte) ([]winchester.Result, error) {
	for i, body := range bodies {
		bodies[i] = withoutPasswords(body)
	}
	return r.Sink.AddNotifications(ctx, bodies)
}

func withoutPasswords(body []byte) []byte { return body }

// A host can stand between the consumer and the engine. All faults of a
// configuration are reported together.
func ExampleSink() {
	_, err := amqp.New(amqp.Config{
		URL:    "amqp://rabbit.internal/",
		Sink:   redact{},
		Queues: []amqp.Queue{{Name: "q", ExchangeType: "fanot"}, {Name: "winchester.dead_letters"}},
	})
	fmt.Println(err)
	// Output:
	// amqp: Config.Queues[0] (q): exchange_type: unknown type "fanot" (did you mean "fanout"?): expected topic, direct, fanout, headers, or one of a plugin, which begins with x-
	// amqp: Config.Queues[1]: winchester.dead_letters gets the dead letters of this consumer: it would run in a circle
}
