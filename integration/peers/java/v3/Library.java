import java.util.Map;
import org.zeromq.ZMQ;

/** JeroMQ 0.3, which speaks ZMTP 2.0: there is no mechanism but NULL. */
class Library {
    static final ZMQ.Context context = ZMQ.context(1);

    static ZMQ.Socket open(Map<String, String> options, boolean serves) throws Exception {
        if (!options.getOrDefault("mechanism", "NULL").equals("NULL")) {
            throw new IllegalArgumentException("JeroMQ 0.3 knows no mechanism but NULL");
        }
        return context.socket(ZMQ.class.getField(options.get("kind")).getInt(null));
    }

    /** A pipe that outlives its connection would carry one client's late replies to the next. */
    static void immediate(ZMQ.Socket socket) {
        socket.setDelayAttachOnConnect(true);
    }

    static void close() {
        context.term();
    }
}
