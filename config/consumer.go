package config

import (
	"errors"
	"os"
	"strings"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/amqp"
	"github.com/seed71495667/winchester/internal/rabbit"
	"github.com/seed71495667/winchester/internal/yamlx"
)

// RabbitBroker is the section of that name: Yagi's.
type RabbitBroker struct {
	URL                                               Secret // "" if the parts that follow say it
	Host                                              string
	Port                                              int
	User                                              string
	Password                                          Secret
	VHost                                             string
	SSL                                               bool
	SSLCAFile, SSLCertFile, SSLKeyFile, SSLServerName string
	SSLInsecure                                       bool
	ReconnectDelay, MaxWait                           time.Duration // 0 for the consumer's defaults
}

// Consumers is the section of that name. Without Queues nothing is consumed.
type Consumers struct {
	Queues      []amqp.Queue
	BatchWait   time.Duration
	DeadLetters amqp.DeadLetters
}

func (b RabbitBroker) address() rabbit.Address {
	return rabbit.Address{Host: b.Host, Port: b.Port, User: b.User, Password: string(b.Password), VHost: b.VHost, SSL: b.SSL}
}

func (b RabbitBroker) files() rabbit.TLSFiles {
	return rabbit.TLSFiles{CA: b.SSLCAFile, Cert: b.SSLCertFile, Key: b.SSLKeyFile, ServerName: b.SSLServerName, Insecure: b.SSLInsecure}
}

// url is the broker's, with the password.
func (b RabbitBroker) url() string {
	if b.URL != "" {
		return string(b.URL)
	}
	return b.address().URL()
}

// Consumes tells whether the file says what to consume.
func (c *Config) Consumes() bool { return len(c.Consumers.Queues) > 0 }

// ErrNoConsumers tells that the file does not say what to consume.
var ErrNoConsumers = errors.New("config: consumers.queues is missing: there is nothing to consume")

// ConsumerConfig returns what the file says as the configuration of a consumer
// that feeds a sink, for a host that wants to change it before it calls amqp.New.
// It returns ErrNoConsumers if the file says nothing.
func (c *Config) ConsumerConfig(sink amqp.Sink) (amqp.Config, error) {
	if !c.Consumes() {
		return amqp.Config{}, ErrNoConsumers
	}
	b := c.RabbitBroker
	period := c.StatisticsPeriod
	if period == 0 {
		period = -1 // never
	}
	out := amqp.Config{
		URL: b.url(), Sink: sink, Queues: c.Consumers.Queues, DeadLetters: c.Consumers.DeadLetters, BatchWait: c.Consumers.BatchWait,
		ReconnectDelay: b.ReconnectDelay, MaxWait: b.MaxWait, StatisticsPeriod: period, Logger: c.opts.Logger,
	}
	if files := b.files(); !files.IsZero() {
		var err error
		if out.TLS, err = files.Config(); err != nil {
			return amqp.Config{}, err
		}
	}
	return out, nil
}

// Consumer returns a consumer that feeds an engine which Open has returned, and
// logs where it does. It has not been started; stop it before the engine is
// closed. It returns ErrNoConsumers if the file says nothing of consumers.
func (c *Config) Consumer(e *Engine) (*amqp.Consumer, error) {
	cfg, err := c.ConsumerConfig(e)
	if err != nil {
		return nil, err
	}
	cfg.Logger = e.logger
	return amqp.New(cfg)
}

// readRabbitURL says nothing of what stands there: it may be a password.
func (l *loader) readRabbitURL(v yamlx.Value) {
	if v.Node().Kind != yamlx.Scalar {
		v.Faultf("expected the URL of a broker")
		return
	}
	l.cfg.RabbitBroker.URL = Secret(v.Node().Text)
	if err := rabbit.CheckURL(v.Node().Text); err != nil {
		v.Faultf("%v", err)
	}
}

// readRabbitPassword takes whatever it is for text: one may be all digits.
func (l *loader) readRabbitPassword(v yamlx.Value) {
	if v.Node().Kind != yamlx.Scalar {
		v.Faultf("expected a password")
		return
	}
	l.cfg.RabbitBroker.Password = Secret(v.Node().Text)
}

// locate returns the path of a file that a setting names, which may be in any of
// the directories of config_path.
func (l *loader) locate(v yamlx.Value) string {
	name := v.Text()
	if name == "" {
		return ""
	}
	candidates := l.candidates(name)
	for _, path := range candidates {
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path
		}
	}
	v.Faultf("there is no file %s", strings.Join(candidates, ", nor "))
	return ""
}

// queueKeys are those of a queue. They are Yagi's, with a few more.
var queueKeys = []string{
	"exchange", "exchange_type", "routing_key", "durable", "auto_delete", "exchange_durable", "exchange_auto_delete",
	"max_messages", "filters", "exclude_filters", "discard_filters", "prefetch", "arguments", "declare", "exclusive", "apps",
}

func (l *loader) readQueues(v yamlx.Value) {
	for name, queue := range v.Entries() {
		l.readQueue(name, queue)
	}
	if v.Node().Kind == yamlx.Map && len(l.cfg.Consumers.Queues) == 0 {
		v.Faultf("expected at least one queue")
	}
}

// readQueue reads a queue. One with nothing behind its name has all the defaults.
func (l *loader) readQueue(name string, v yamlx.Value) {
	m := v.Map(queueKeys...)
	not := func(key string) bool { v := m.Get(key); return v.Exists() && !v.Bool() }
	q := amqp.Queue{
		Name: name, Exchange: m.Get("exchange").Text(), ExchangeType: m.Get("exchange_type").Text(), RoutingKeys: m.Get("routing_key").Texts(),
		Transient: not("durable"), ExchangeTransient: not("exchange_durable"), NoDeclare: not("declare"),
		AutoDelete: m.Get("auto_delete").Bool(), ExchangeAutoDelete: m.Get("exchange_auto_delete").Bool(), Exclusive: m.Get("exclusive").Bool(),
		MaxMessages: int(m.Get("max_messages").IntBetween(1, 65535)), Prefetch: int(m.Get("prefetch").IntBetween(1, 65535)),
		Filters: m.Get("filters").Texts(),
	}
	// Yagi told apart what one application of several did not get and what none
	// got. Here is one.
	q.ExcludeFilters = append(m.Get("exclude_filters").Texts(), m.Get("discard_filters").Texts()...)
	if args := m.Get("arguments"); args.Exists() {
		for range args.Entries() { // a fault unless it is a map
		}
		q.Arguments, _ = args.Any().(map[string]any)
	}
	if apps := m.Get("apps"); apps.Exists() {
		l.main.warn(apps, "has no effect: what is consumed goes to the engine")
	}
	l.cfg.Consumers.Queues = append(l.cfg.Consumers.Queues, q)
	var faults winchester.Faults
	if errors.As(q.Validate(), &faults) {
		for _, f := range faults {
			at := m.Get(f.Field)
			if f.Field == "exclude_filters" && !at.Exists() {
				at = m.Get("discard_filters")
			}
			if !at.Exists() {
				at = v
			}
			at.Faultf("%s", f.Message)
		}
	}
}

// checkConsumers finds what settings say against each other.
func (l *loader) checkConsumers() {
	b, queues := l.cfg.RabbitBroker, l.values["consumers.queues"]
	if url := l.values["rabbit_broker.url"]; url.Exists() {
		for _, key := range []string{"host", "port", "user", "password", "vhost", "ssl"} {
			if other := l.values["rabbit_broker."+key]; other.Exists() {
				other.Faultf("cannot be given beside url, which says it as well")
			}
		}
	} else if host := l.values["rabbit_broker.host"]; host.Exists() {
		if err := b.address().Check(); err != nil {
			host.Faultf("%v", err)
		}
	}
	if files := b.files(); !files.IsZero() {
		for _, key := range []string{"ssl_ca_file", "ssl_cert_file", "ssl_key_file", "ssl_server_name", "ssl_insecure"} {
			at := l.values["rabbit_broker."+key]
			if !at.Exists() {
				continue
			}
			if !strings.HasPrefix(b.url(), "amqps:") {
				at.Faultf("is of no use without TLS: set ssl: true, or use a URL that begins with amqps://")
			} else if _, err := files.Config(); err != nil && l.main.dec.Count() == 0 {
				at.Faultf("%v", err)
			}
			break
		}
	}
	if !queues.Exists() {
		for _, key := range []string{"url", "host"} {
			if at := l.values["rabbit_broker."+key]; at.Exists() {
				l.main.warn(at, "has no effect: consumers.queues does not say what to consume")
			}
		}
		return
	}
	if len(l.cfg.DistillerConfig) == 0 && !l.cfg.CatchAllNotifications {
		queues.Faultf("nothing would become of what is consumed: distiller_config is missing, or catch_all_notifications: true")
	}
	d := l.cfg.Consumers.DeadLetters
	if err := d.Validate(); err != nil {
		at := l.values["consumers.dead_letter_file"]
		if !at.Exists() {
			at = l.values["consumers.dead_letter_exchange"]
		}
		at.Faultf("%v", err)
		return
	}
	for i, q := range l.cfg.Consumers.Queues {
		if err := d.Conflicts(q); err != nil {
			for name, at := range queues.Entries() {
				if name == l.cfg.Consumers.Queues[i].Name {
					at.Faultf("%v", err)
				}
			}
		}
	}
}
