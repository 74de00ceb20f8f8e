package notify

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/glob"
	"github.com/seed71495667/winchester/internal/rabbit"
	"github.com/seed71495667/winchester/internal/suggest"
)

// Params are the parameters of the handler in a pipeline definition. The zero
// value of each optional field stands for its default.
type Params struct {
	// URL of the broker, amqp:// or amqps://, instead of the parts that follow.
	// Credentials belong in the environment: "${RABBITMQ_URL}".
	URL string `json:"url"`

	Host     string `json:"host"`     // Default "localhost"
	Port     int    `json:"port"`     // Default 5672, with ssl 5671
	User     string `json:"user"`     // Default "guest"
	Password string `json:"password"` // Default "guest"
	VHost    string `json:"vhost"`    // Default "/"

	SSL           bool   `json:"ssl"`             // Default false; with a URL, amqps:// says it
	SSLCAFile     string `json:"ssl_ca_file"`     // PEM. Default: the system's certificates
	SSLCertFile   string `json:"ssl_cert_file"`   // PEM, of the client. Default: none
	SSLKeyFile    string `json:"ssl_key_file"`    // PEM, of the client. Default: none
	SSLServerName string `json:"ssl_server_name"` // in the broker's certificate. Default: the host
	SSLInsecure   bool   `json:"ssl_insecure"`    // do not check the broker's certificate. Default false

	// Library was the original's choice of a Python library. It has no effect.
	Library string `json:"library"`

	// Exchange that is published to. Required.
	Exchange string `json:"exchange"`
	// ExchangeType is topic, direct, fanout or headers. Default "topic".
	ExchangeType string `json:"exchange_type"`
	// QueueName is a queue that is declared and bound, so that nothing is lost
	// before a consumer comes. Default: none, which RoutingKey must make up for.
	QueueName string `json:"queue_name"`
	// RoutingKey of the messages. Default: QueueName.
	RoutingKey string `json:"routing_key"`
	// Durable and AutoDelete are of the queue, ExchangeDurable and ExchangeAutoDelete
	// of the exchange. Defaults: durable, and not deleted.
	Durable            *bool `json:"durable"`
	AutoDelete         bool  `json:"auto_delete"`
	ExchangeDurable    *bool `json:"exchange_durable"`
	ExchangeAutoDelete bool  `json:"exchange_auto_delete"`
	// Arguments of the queue, such as x-queue-type. Default: none.
	Arguments map[string]any `json:"arguments"`
	// Declare makes the exchange, the queue and the binding where they are missing.
	// Default true.
	Declare *bool `json:"declare"`
	// Mandatory makes it an error if no queue takes a message. Default true.
	Mandatory *bool `json:"mandatory"`

	// EnvKeys are the keys of Env.Values under which handlers before this one have
	// left lists of notifications to publish. Default: none.
	EnvKeys []string `json:"env_keys"`
	// EventTypes selects, by shell globs, the events that handlers before this one
	// have made; "!" excludes. Default: none.
	EventTypes Patterns `json:"event_types"`

	// Timeout is how long a Commit may take, connecting included. Default 30s.
	Timeout Duration `json:"timeout"`

	target *target // what Validate makes of all that
}

// Patterns is a list of patterns, or a single one.
type Patterns []string

// UnmarshalJSON reads a text or a list of texts.
func (p *Patterns) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		*p = make(Patterns, 1)
		return json.Unmarshal(data, &(*p)[0])
	}
	return json.Unmarshal(data, (*[]string)(p))
}

// Duration is a number of seconds, or a text such as "30s" or "1m30s".
type Duration time.Duration

// UnmarshalJSON reads a number of seconds or a text as time.ParseDuration takes it.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var seconds float64
	if json.Unmarshal(data, &seconds) == nil {
		if seconds < 0 || seconds > 1e6 {
			return winchester.Faults{{Field: "timeout", Message: fmt.Sprintf("%v seconds: expected at most a million, and not fewer than none", seconds)}}
		}
		*d = Duration(seconds * float64(time.Second))
		return nil
	}
	var text string
	parsed, err := time.Duration(0), json.Unmarshal(data, &text)
	if err == nil {
		parsed, err = time.ParseDuration(text)
	}
	if err != nil || parsed < 0 {
		return winchester.Faults{{Field: "timeout", Message: `expected a number of seconds, or text such as "30s"`}}
	}
	*d = Duration(parsed)
	return nil
}

// target is where to publish, and what.
type target struct {
	key       string // of the connection
	url       string
	tls       *tls.Config
	exchange  string
	route     string
	mandatory bool
	topology  *rabbit.Topology // nil: nothing is declared
	selects   bool
	types     glob.Set
	timeout   time.Duration
}

// Validate reports all faults of the parameters together, as winchester.Faults.
// Files of certificates are read here, and not again. No fault has a password in
// it.
func (p *Params) Validate() error {
	var faults winchester.Faults
	fault := func(field, format string, args ...any) {
		faults = append(faults, winchester.Fault{Field: field, Message: fmt.Sprintf(format, args...)})
	}
	t := &target{
		exchange: p.Exchange, route: p.RoutingKey, mandatory: isTrue(p.Mandatory),
		selects: len(p.EventTypes) > 0, timeout: time.Duration(p.Timeout),
	}
	if t.route == "" {
		t.route = p.QueueName
	}
	if t.timeout == 0 {
		t.timeout = 30 * time.Second
	}
	if t.selects {
		t.types = glob.NewSet(p.EventTypes)
	}
	p.checkBroker(t, fault)
	if p.Exchange == "" {
		fault("exchange", "is missing: expected the name of an exchange")
	}
	if t.route == "" {
		fault("queue_name", "is missing: expected the name of a queue to declare, or routing_key for queues that others declare")
	}
	if len(p.EnvKeys) == 0 && !t.selects {
		fault("env_keys", "is missing, and event_types as well: there would be nothing to publish")
	}
	for i, key := range p.EnvKeys {
		if key == "" || slices.Index(p.EnvKeys, key) < i {
			fault("env_keys", "[%d] %q is empty or listed twice", i, key)
		}
	}
	if slices.Contains(p.EventTypes, "") {
		fault("event_types", "an empty pattern matches nothing")
	}
	for field, name := range map[string]string{"exchange": p.Exchange, "queue_name": p.QueueName, "routing_key": p.RoutingKey} {
		if len(name) > 255 {
			fault(field, "%d bytes are too many: at most 255 are possible", len(name))
		}
	}
	kinds := []string{amqp091.ExchangeTopic, amqp091.ExchangeDirect, amqp091.ExchangeFanout, amqp091.ExchangeHeaders}
	kind := p.ExchangeType
	if kind == "" {
		kind = amqp091.ExchangeTopic
	}
	if !slices.Contains(kinds, kind) && (len(kind) < 3 || kind[:2] != "x-") {
		fault("exchange_type", "unknown type %q%s: expected topic, direct, fanout, headers, or one of a plugin, which begins with x-", kind, suggest.DidYouMean(kind, kinds))
	}
	if p.Declare == nil || *p.Declare {
		t.topology = &rabbit.Topology{Exchange: rabbit.Exchange{
			Name: p.Exchange, Type: kind, Durable: isTrue(p.ExchangeDurable), AutoDelete: p.ExchangeAutoDelete,
		}}
		if p.QueueName != "" {
			t.topology.Queue = &rabbit.Queue{
				Name: p.QueueName, Durable: isTrue(p.Durable), AutoDelete: p.AutoDelete, Arguments: integers(p.Arguments), Keys: []string{t.route},
			}
		}
	}
	if err := amqp091.Table(integers(p.Arguments)).Validate(); err != nil {
		fault("arguments", "%v", err)
	}
	if len(faults) > 0 {
		return faults
	}
	p.target = t
	return nil
}

func (p *Params) checkBroker(t *target, fault func(field, format string, args ...any)) {
	address := rabbit.Address{Host: p.Host, Port: p.Port, User: p.User, Password: p.Password, VHost: p.VHost, SSL: p.SSL}
	t.url = p.URL
	switch {
	case p.URL == "":
		t.url = address.URL()
		if err := address.Check(); err != nil {
			fault("host", "%v", err)
		}
	case address != rabbit.Address{}:
		fault("url", "says it all: host, port, user, password, vhost and ssl cannot be given beside it")
	default:
		if err := rabbit.CheckURL(p.URL); err != nil {
			fault("url", "%v", err)
		}
	}
	files := rabbit.TLSFiles{CA: p.SSLCAFile, Cert: p.SSLCertFile, Key: p.SSLKeyFile, ServerName: p.SSLServerName, Insecure: p.SSLInsecure}
	t.key = fmt.Sprintf("%s %+v", t.url, files)
	if files.IsZero() {
		return
	}
	if !bytes.HasPrefix([]byte(t.url), []byte("amqps:")) {
		fault("ssl_ca_file", "ssl_... is of no use without TLS: set ssl: true, or use a URL that begins with amqps://")
		return
	}
	var err error
	if t.tls, err = files.Config(); err != nil {
		fault("ssl_ca_file", "%v", err)
	}
}

func isTrue(b *bool) bool { return b == nil || *b }

// integers: JSON has one kind of number, and AMQP several; the broker wants
// integers where it wants numbers.
func integers(args map[string]any) map[string]any {
	out := make(map[string]any, len(args))
	for k, v := range args {
		if f, ok := v.(float64); ok && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			v = int64(f)
		}
		out[k] = v
	}
	return out
}

var errNotValidated = errors.New("notify: the parameters have not been validated")
