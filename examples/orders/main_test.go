package main

import (
	"bytes"
	"testing"

	"github.com/seed71495667/winchester/internal/testdb"
)

const want = `A-1: placed
A-1: shipped
A-2: the card was declined; no row, no event
A-3: placed
A-3: shipped
2 orders, 2 events
`

func TestOrders(t *testing.T) {
	t.Parallel()
	check(t, "")
}

func TestOrdersPostgres(t *testing.T) {
	t.Parallel()
	check(t, testdb.PostgresSchema(t))
}

func check(t *testing.T, url string) {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), &out, url); err != nil {
		t.Fatal(err)
	}
	if out.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", &out, want)
	}
}
