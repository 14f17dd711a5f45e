import java.io.File;
import java.nio.file.Files;
import java.util.Map;
import org.zeromq.SocketType;
import org.zeromq.ZAuth;
import org.zeromq.ZContext;
import org.zeromq.ZMQ;

/** JeroMQ 0.6: ZMTP 3, with PLAIN and a CURVE of its own. */
class Library {
    static final ZContext context = new ZContext(1);

    static ZMQ.Socket open(Map<String, String> options, boolean serves) throws Exception {
        ZMQ.Socket socket = context.createSocket(SocketType.valueOf(options.get("kind")));
        // A connection that it makes may stay without a greeting for so long, and only then makes room for the next: docs/peers.md.
        socket.setHandshakeIvl(5000);
        if (options.containsKey("heartbeat")) {
            int every = Integer.parseInt(options.get("heartbeat"));
            socket.setHeartbeatIvl(every);
            socket.setHeartbeatTimeout(20 * every);
        }
        String mechanism = options.getOrDefault("mechanism", "NULL");
        if (mechanism.equals("PLAIN") && serves) {
            File passwords = File.createTempFile("passwords", null);
            passwords.deleteOnExit();
            Files.write(passwords.toPath(), "user=pass\n".getBytes());
            new ZAuth(context).configurePlain("*", passwords.getPath());
            socket.setZAPDomain("global");
            socket.setPlainServer(true);
        } else if (mechanism.equals("PLAIN")) {
            socket.setPlainUsername("user");
            socket.setPlainPassword("pass");
        } else if (mechanism.equals("CURVE") && serves) {
            socket.setCurveServer(true);
            socket.setCurvePublicKey(ZMQ.Curve.z85Decode(options.get("server-public")));
            socket.setCurveSecretKey(ZMQ.Curve.z85Decode(options.get("server-secret")));
        } else if (mechanism.equals("CURVE")) {
            socket.setCurveServerKey(ZMQ.Curve.z85Decode(options.get("server-public")));
            socket.setCurvePublicKey(ZMQ.Curve.z85Decode(options.get("client-public")));
            socket.setCurveSecretKey(ZMQ.Curve.z85Decode(options.get("client-secret")));
        }
        return socket;
    }

    /** A pipe that outlives its connection would carry one client's late replies to the next. */
    static void immediate(ZMQ.Socket socket) {
        socket.setImmediate(true);
    }

    static void close() {
        context.close();
    }
}
