package rabbit

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLSFiles says how the broker proves who it is, and how we do, by files. The
// zero value trusts the system's certificates and shows none.
type TLSFiles struct {
	CA         string // PEM file of certificates to trust. Default: the system's
	Cert, Key  string // PEM files of a client certificate, both or none
	ServerName string // the name in the broker's certificate. Default: the host
	Insecure   bool   // do not check the broker's certificate
}

// IsZero tells whether nothing is said.
func (f TLSFiles) IsZero() bool { return f == TLSFiles{} }

// Config reads the files.
func (f TLSFiles) Config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: f.ServerName, InsecureSkipVerify: f.Insecure}
	if f.CA != "" {
		data, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("%s: no PEM certificate in it", f.CA)
		}
	}
	if (f.Cert == "") != (f.Key == "") {
		return nil, errors.New("a client certificate needs both its file and that of its key")
	}
	if f.Cert != "" {
		pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
