package rabbit

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	amqp091 "github.com/rabbitmq/amqp091-go"
)

// Address says where a broker is and who asks, in the parts that the original's
// configuration has. The zero value of each field stands for its default.
type Address struct {
	Host     string // Default "localhost"
	Port     int    // Default 5672, with SSL 5671
	User     string // Default "guest"
	Password string // Default "guest"
	VHost    string // Default "/"
	SSL      bool
}

// URL returns the address as a URL.
func (a Address) URL() string {
	u := url.URL{Scheme: "amqp", User: url.UserPassword(or(a.User, "guest"), or(a.Password, "guest"))}
	if a.SSL {
		u.Scheme = "amqps"
	}
	port := a.Port
	if port == 0 {
		if port = 5672; a.SSL {
			port = 5671
		}
	}
	u.Host = net.JoinHostPort(or(strings.Trim(a.Host, "[]"), "localhost"), strconv.Itoa(port))
	u.Path = "/" + or(a.VHost, "/")
	u.RawPath = "/" + url.PathEscape(or(a.VHost, "/"))
	return u.String()
}

// Check tells what cannot be right about the address. No error has a password
// in it.
func (a Address) Check() error {
	if a.Port < 0 || a.Port > 65535 {
		return fmt.Errorf("port %d: expected a number from 1 to 65535", a.Port)
	}
	if strings.ContainsAny(a.Host, "/@ ") {
		return errors.New(`host: expected the name or address of a machine; a URL belongs in "url"`)
	}
	return nil
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// CheckURL tells what is wrong with the URL of a broker. The error shows nothing
// of the URL but its scheme: whatever else is in it may be a password.
func CheckURL(text string) error {
	const expected = `expected "amqp://user:password@host:5672/vhost", or amqps:// for TLS`
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("the URL cannot be read: " + expected + `; characters such as @ / ? # % in a password are written as %40 and so on`)
	case u.Scheme == "":
		return errors.New("the URL has no scheme: " + expected)
	case u.Scheme != "amqp" && u.Scheme != "amqps":
		return fmt.Errorf("a URL of scheme %q is not one of RabbitMQ: %s", u.Scheme, expected)
	}
	if _, err := amqp091.ParseURI(text); err != nil {
		// Of the library's messages only those about parameters are free of the URL.
		return errors.New("the URL cannot be used: " + expected + "; heartbeat, connection_timeout and channel_max must be numbers")
	}
	return nil
}

// Redact returns the URL of a broker without the password and the parameters,
// for logs and errors.
func Redact(text string) string {
	u, err := amqp091.ParseURI(text)
	if err != nil {
		return "RabbitMQ"
	}
	return fmt.Sprintf("%s://%s@%s/%s", u.Scheme, u.Username, net.JoinHostPort(u.Host, strconv.Itoa(u.Port)), url.PathEscape(u.Vhost))
}
