package rabbit

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"github.com/seed71495667/winchester/internal/testrabbit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   Address
		want string
	}{
		{Address{}, "amqp://guest:guest@localhost:5672/%2F"},
		{Address{Host: "r.internal", SSL: true, VHost: "/nova/x"}, "amqps://guest:guest@r.internal:5671/%2Fnova%2Fx"},
		{Address{Host: "::1", Port: 1, User: "a@b", Password: "p:/?#%@ ä", VHost: "v"}, ""},
	} {
		got := c.in.URL()
		if c.want != "" && got != c.want {
			t.Errorf("%+v: %s, want %s", c.in, got, c.want)
		}
		u, err := amqp091.ParseURI(got)
		if err != nil || CheckURL(got) != nil {
			t.Fatalf("%s: %v, %v", got, err, CheckURL(got))
		}
		if c.in.Password != "" && (u.Password != c.in.Password || u.Username != c.in.User || u.Host != c.in.Host || u.Port != c.in.Port) {
			t.Errorf("%+v became %+v", c.in, u)
		}
		if v := or(c.in.VHost, "/"); u.Vhost != v {
			t.Errorf("vhost is %q, want %q", u.Vhost, v)
		}
		if text := Redact(got); strings.Contains(text, ":"+u.Password) || !strings.Contains(text, u.Username) {
			t.Errorf("redacted: %s", text)
		}
	}
	for _, a := range []Address{{Port: -1}, {Port: 70000}, {Host: "amqp://h"}, {Host: "u@h"}} {
		if a.Check() == nil {
			t.Errorf("%+v passes", a)
		}
	}
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"":                               "no scheme",
		"amqp://u:hu%zzsh@h/":            "cannot be read",
		"http://u:hush@h/":               `scheme "http"`,
		"amqp://u:hush@h/?heartbeat=abc": "cannot be used",
		"amqp://u:hush@h:99999999999/":   "cannot be used",
		"hush":                           "no scheme",
	} {
		err := CheckURL(url)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	server := func(code int, reason string) error { return &amqp091.Error{Code: code, Reason: reason, Server: true} }
	for _, c := range []struct {
		err  error
		want string
	}{
		{server(406, "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'e' in vhost '/': received 'topic' but current is 'fanout'"),
			`the exchange "e" exists with another type: 'fanout' on the broker, 'topic' here; set exchange_type`},
		{server(406, "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'q' in vhost '/': received none but current is the value 'quorum' of type 'longstr'"),
			`the value 'quorum' of type 'longstr' on the broker, none here; set arguments.x-queue-type`},
		{server(405, "RESOURCE_LOCKED - x"), "waits for its turn"},
		{server(404, "NOT_FOUND - x"), "declare: true"},
		{server(406, "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out"), "consumer_timeout"},
		{server(320, "CONNECTION_FORCED"), "CONNECTION_FORCED"},
		{io.EOF, "EOF"},
	} {
		if got := Explain(c.err); !strings.Contains(got.Error(), c.want) || !errors.Is(got, c.err) {
			t.Errorf("%v", got)
		}
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	for failures, want := range map[int]time.Duration{0: time.Second, 1: 2 * time.Second, 3: 8 * time.Second, 10: time.Minute, 1000: time.Minute} {
		if got := Backoff(failures, time.Second, time.Minute); got < want*8/10 || got > want*12/10 {
			t.Errorf("after %d failures: %v, want about %v", failures, got, want)
		}
	}
}

// silent accepts connections and says nothing.
func silent(t *testing.T) (url string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		var conns []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				for _, c := range conns {
					c.Close()
				}
				return
			}
			conns = append(conns, c)
		}
	}()
	return "amqp://u:hush@" + l.Addr().String() + "/"
}

// TestSilentBroker: one that accepts connections and does not answer is as good
// as away, and a caller's context counts.
func TestSilentBroker(t *testing.T) {
	t.Parallel()
	b := NewBroker(BrokerConfig{URL: silent(t), DialTimeout: 100 * time.Millisecond, ReconnectDelay: time.Hour, Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := b.Connect(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that ends: %v", err)
	}
	_, err := b.Connect(t.Context())
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "no answer in time") || strings.Contains(err.Error(), "hush") {
		t.Errorf("%v", err)
	}
	begun := time.Now()
	_, err = b.Connect(t.Context())
	if after := RetryAfter(err, time.Second); !errors.Is(err, ErrUnavailable) || after < 40*time.Minute || time.Since(begun) > 50*time.Millisecond {
		t.Errorf("within the back-off: %v, again after %v", err, after)
	}
	b.Close()
	if _, err := b.Connect(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestOneConnection: many who ask at once get the same connection.
func TestOneConnection(t *testing.T) {
	t.Parallel()
	b := NewBroker(BrokerConfig{URL: testrabbit.URL(t), Logger: slog.New(slog.DiscardHandler)})
	defer b.Close()
	got := make(chan *Conn)
	for range 20 {
		go func() {
			c, err := b.Connect(context.Background())
			if err != nil {
				t.Error(err)
			}
			got <- c
		}()
	}
	first := <-got
	for range 19 {
		if c := <-got; c != first {
			t.Error("another connection")
		}
	}
	if b.Dials() != 1 || !b.Connected() {
		t.Errorf("%d dials", b.Dials())
	}
	first.raw.Close()
	<-first.Lost()
	if c, err := b.Connect(t.Context()); err != nil || c == first || b.Dials() != 2 {
		t.Errorf("after it was lost: %v", err)
	}
}

// TestLogin: what is refused is told, without the password.
func TestLogin(t *testing.T) {
	t.Parallel()
	url := strings.Replace(testrabbit.URL(t), "guest:guest", "guest:hush", 1)
	b := NewBroker(BrokerConfig{URL: url, Logger: slog.New(slog.DiscardHandler)})
	defer b.Close()
	_, err := b.Connect(t.Context())
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "password") || strings.Contains(err.Error(), "hush") {
		t.Errorf("%v", err)
	}
}

func TestPool(t *testing.T) {
	t.Parallel()
	url := testrabbit.URL(t)
	var p Pool
	made := 0
	get := func() (*Publisher, func()) {
		publisher, release, err := p.Get("key", func() (*Publisher, error) {
			made++
			return NewPublisher(NewBroker(BrokerConfig{URL: url, Logger: slog.New(slog.DiscardHandler)})), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return publisher, release
	}
	one, releaseOne := get()
	two, releaseTwo := get()
	if one != two || made != 1 {
		t.Errorf("%d publishers", made)
	}
	if err := one.Publish(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	releaseOne()
	p.Close() // two goes on
	if err := two.Publish(t.Context(), nil, nil); err != nil || !two.broker.Connected() {
		t.Errorf("in use, and closed: %v", err)
	}
	three, releaseThree := get()
	if three == two || made != 2 {
		t.Error("a publisher that is about to close was handed out")
	}
	releaseTwo()
	if two.broker.Connected() {
		t.Error("open after its last user is through")
	}
	releaseThree()
	p.Close()
	if _, _, err := p.Get("other", func() (*Publisher, error) { return nil, io.EOF }); !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
}
