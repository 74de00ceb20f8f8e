package atompub_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/handlers/atompub"
)

// A pipeline hands verified usage to the handler, which publishes it.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entry, _ := io.ReadAll(r.Body)
		fmt.Println(string(entry))
		w.WriteHeader(http.StatusCreated)
	}))
	defer server.Close()

	handlers := winchester.NewRegistry()
	if err := atompub.Register(handlers, atompub.WithClient(server.Client())); err != nil {
		panic(err)
	}
	newHandler, err := handlers.Factory("atompub", map[string]any{"url": server.URL, "event_types": []string{"*.verified"}, "max_wait": "5m"})
	if err != nil {
		panic(err)
	}
	handler, err := newHandler()
	if err != nil {
		panic(err)
	}

	ctx := context.Background()
	_, err = handler.HandleEvents(ctx, []winchester.Event{{
		MessageID: "c0c33eb6-9d1a-56c4-9018-efb2bf71dc95",
		EventType: "compute.instance.exists.verified",
		Timestamp: time.Date(2026, 3, 1, 0, 2, 0, 0, time.UTC),
		Traits:    winchester.Traits{"instance_id": "i-1"},
	}}, &winchester.Env{})
	if err != nil {
		panic(err)
	}
	fmt.Println(handler.Commit(ctx))
	// Output:
	// <atom:entry xmlns:atom="http://www.w3.org/2005/Atom"><atom:id>urn:uuid:c0c33eb6-9d1a-56c4-9018-efb2bf71dc95</atom:id><atom:category term="compute.instance.exists.verified"></atom:category><atom:title type="text">compute.instance.exists.verified</atom:title><atom:content type="application/json">{&#34;event_type&#34;:&#34;compute.instance.exists.verified&#34;,&#34;instance_id&#34;:&#34;i-1&#34;,&#34;message_id&#34;:&#34;c0c33eb6-9d1a-56c4-9018-efb2bf71dc95&#34;,&#34;timestamp&#34;:&#34;2026-03-01T00:02:00Z&#34;}</atom:content></atom:entry>
	// <nil>
}
