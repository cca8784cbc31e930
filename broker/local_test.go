package broker

const localChildEnv = "MLQ_TEST_LOCAL_CHILD"

func localChild(dir string) int { return 0 }
