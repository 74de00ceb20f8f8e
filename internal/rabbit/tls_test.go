package rabbit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed71495667/winchester/internal/testrabbit"
)

// certificate writes a certificate for a name, which is its own authority.
func certificate(t *testing.T, name string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(file, kind string, der []byte) string {
		path := filepath.Join(t.TempDir(), file)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", keyDER)
}

// tlsFront takes TLS off in front of the broker, and asks for a client's
// certificate.
func tlsFront(t *testing.T, brokerURL, certFile, keyFile, clientCA string) (address string) {
	t.Helper()
	u, err := url.Parse(brokerURL)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(clientCA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", u.Host)
			if err != nil {
				in.Close()
				continue
			}
			wg.Go(func() { _, _ = io.Copy(out, in); out.Close() })
			wg.Go(func() { _, _ = io.Copy(in, out); in.Close() })
		}
	})
	return l.Addr().String()
}

func TestTLS(t *testing.T) {
	t.Parallel()
	brokerURL := testrabbit.URL(t)
	serverCert, serverKey := certificate(t, "rabbit.test")
	clientCert, clientKey := certificate(t, "client.test")
	front := tlsFront(t, brokerURL, serverCert, serverKey, clientCert)
	right := TLSFiles{CA: serverCert, Cert: clientCert, Key: clientKey, ServerName: "rabbit.test"}
	connect := func(f TLSFiles) error {
		c, err := f.Config()
		if err != nil {
			return err
		}
		b := NewBroker(BrokerConfig{URL: "amqps://guest:guest@" + front + "/", TLS: c, Logger: slog.New(slog.DiscardHandler)})
		defer b.Close()
		_, err = b.Connect(t.Context())
		return err
	}
	if err := connect(right); err != nil {
		t.Errorf("all is right: %v", err)
	}
	insecure := right
	insecure.CA, insecure.Insecure = "", true
	if err := connect(insecure); err != nil {
		t.Errorf("insecure: %v", err)
	}
	for name, change := range map[string]func(*TLSFiles){
		"certificate signed by unknown authority": func(f *TLSFiles) { f.CA = "" },
		"valid for rabbit.test, not other.test":   func(f *TLSFiles) { f.ServerName = "other.test" },
		"both its file and that of its key":       func(f *TLSFiles) { f.Key = "" },
		"no such file":                            func(f *TLSFiles) { f.CA = "missing.pem" },
		"no PEM certificate in it":                func(f *TLSFiles) { f.CA = clientKey },
	} {
		f := right
		change(&f)
		if err := connect(f); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	without := right
	without.Cert, without.Key = "", ""
	if err := connect(without); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a client's certificate: %v", err)
	}
}
