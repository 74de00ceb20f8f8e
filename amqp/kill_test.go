package amqp_test
const killChildEnv = "WINCHESTER_AMQP_CHILD"
func killChild(string) {}
