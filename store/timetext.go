package store

import (
	"fmt"
	"time"

	"github.com/seed71495667/winchester/internal/timetext"
)

// timeColumn receives a time from the database in whatever form it has there;
// NULL is the zero time.
type timeColumn struct{ time.Time }

// Scan implements sql.Scanner.
func (c *timeColumn) Scan(src any) (err error) {
	switch v := src.(type) {
	case nil:
		c.Time = time.Time{}
	case string:
		c.Time, err = timetext.Parse(v)
	case []byte:
		c.Time, err = timetext.Parse(string(v))
	case time.Time:
		c.Time = v.UTC()
	default:
		err = fmt.Errorf("a stored time cannot be a %T", src)
	}
	return err
}
