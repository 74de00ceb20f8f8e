package winchester

import "time"

// FlightPatience is that of the tests: so long that none of them depends on it
// by accident, however slow the machine.
const FlightPatience = time.Hour

func init() { flightPatience = FlightPatience }
