import org.junit.runner.Description;
import org.junit.runner.JUnitCore;
import org.junit.runner.notification.Failure;
import org.junit.runner.notification.RunListener;

/** Runs classes of JUnit tests, each for a minute at most, and prints a line for each test. */
public class Runner {
    public static void main(String[] args) throws Exception {
        for (String name : args) {
            Class<?> tests = Class.forName(name);
            Thread one = new Thread(() -> run(tests));
            one.setDaemon(true);
            one.start();
            one.join(60_000);
            if (one.isAlive()) {
                System.out.println("\nRESULT FAIL " + name + " (to its end)");
            }
        }
        System.exit(0); // threads that a test has left behind are not waited for
    }

    private static void run(Class<?> tests) {
        JUnitCore core = new JUnitCore();
        core.addListener(new RunListener() {
            private Failure failure;

            @Override
            public void testStarted(Description test) {
                failure = null;
            }

            @Override
            public void testFailure(Failure now) {
                failure = now;
                if (now.getDescription().isSuite()) { // the class could not be made ready
                    System.out.println("\nRESULT FAIL " + now.getDescription().getDisplayName());
                }
                System.out.println(now.getTrace());
            }

            @Override
            public void testAssumptionFailure(Failure now) {
                failure = now;
                System.out.println("\nRESULT SKIP " + name(now.getDescription()));
            }

            @Override
            public void testFinished(Description test) {
                if (failure == null) {
                    System.out.println("\nRESULT PASS " + name(test));
                } else if (!(failure.getException() instanceof org.junit.AssumptionViolatedException)) {
                    System.out.println("\nRESULT FAIL " + name(test));
                }
            }

            @Override
            public void testIgnored(Description test) {
                System.out.println("\nRESULT SKIP " + name(test));
            }
        });
        core.run(tests);
    }

    private static String name(Description test) {
        return test.getTestClass().getName() + "." + test.getMethodName();
    }
}
