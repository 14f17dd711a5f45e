import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.zeromq.ZMQ;

/**
 * A client or a worker of one kind, in the way of ../py: the same flags, the same messages, the same JSON lines.
 * The first argument says which. What differs between the versions of JeroMQ is in Library, of v3 and v6.
 */
public class Peer {
    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (int i = 1; i < arguments.length; i++) {
            String[] flag = arguments[i].substring(2).split("=", 2); // a key of CURVE may begin with a dash
            options.put(flag[0], flag.length > 1 ? flag[1] : arguments[++i]);
        }
        if (arguments[0].equals("client")) {
            client(options);
        } else {
            worker(options);
        }
    }

    static byte[] blob(int number, int size) throws Exception {
        byte[] block = MessageDigest.getInstance("SHA-256").digest(Integer.toString(number).getBytes());
        byte[] bytes = new byte[size];
        for (int i = 0; i < size; i++) {
            bytes[i] = block[i % block.length];
        }
        return bytes;
    }

    static void send(ZMQ.Socket socket, List<byte[]> frames) {
        for (int i = 0; i < frames.size(); i++) {
            if (!socket.send(frames.get(i), i + 1 < frames.size() ? ZMQ.SNDMORE : 0)) {
                throw new IllegalStateException("not sent");
            }
        }
    }

    static List<byte[]> receive(ZMQ.Socket socket) {
        List<byte[]> frames = new ArrayList<>();
        do {
            byte[] frame = socket.recv();
            if (frame == null) {
                throw new IllegalStateException("nothing received in time");
            }
            frames.add(frame);
        } while (socket.hasReceiveMore());
        return frames;
    }

    static boolean same(List<byte[]> a, List<byte[]> b) {
        if (a.size() != b.size()) {
            return false;
        }
        for (int i = 0; i < a.size(); i++) {
            if (!java.util.Arrays.equals(a.get(i), b.get(i))) {
                return false;
            }
        }
        return true;
    }

    static void add(MessageDigest digest, List<byte[]> frames) {
        for (byte[] frame : frames) {
            digest.update((frame.length + ":").getBytes());
            digest.update(frame);
        }
    }

    static String hex(MessageDigest digest) {
        StringBuilder hex = new StringBuilder();
        for (byte b : digest.digest()) {
            hex.append(String.format("%02x", b));
        }
        return hex.toString();
    }

    static void client(Map<String, String> options) throws Exception {
        String kind = options.get("kind");
        String identity = options.get("identity");
        int requests = Integer.parseInt(options.getOrDefault("requests", "10"));
        int size = Integer.parseInt(options.getOrDefault("size", "1000"));
        boolean dealer = kind.equals("DEALER");
        int atOnce = !kind.equals("REQ") ? Integer.parseInt(options.getOrDefault("at-once", "1")) : 1;

        ZMQ.Socket socket = Library.open(options, false);
        socket.setLinger(kind.equals("PUSH") ? 30000 : 0);
        socket.setReceiveTimeOut(30000);
        socket.setSendTimeOut(30000);
        socket.setIdentity(identity.getBytes(StandardCharsets.ISO_8859_1));
        socket.connect(options.get("connect"));

        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        int received = 0;
        int wrong = 0;
        if (kind.equals("SUB")) {
            socket.subscribe(new byte[0]);
            for (; received < requests; received++) {
                List<byte[]> frames = receive(socket);
                int number = Integer.parseInt(new String(frames.get(0)));
                if (frames.size() != 2 || !java.util.Arrays.equals(frames.get(1), blob(number, size))) {
                    wrong++;
                }
            }
            requests = 0;
        }
        for (int start = 0; start < requests; start += atOnce) {
            List<List<byte[]>> batch = new ArrayList<>();
            for (int number = start; number < Math.min(start + atOnce, requests); number++) {
                List<byte[]> frames = new ArrayList<>();
                if (dealer && options.get("to").equals("REP")) {
                    frames.add(new byte[0]);
                }
                frames.add(identity.getBytes(StandardCharsets.ISO_8859_1));
                frames.add(Integer.toString(number).getBytes());
                if (number == start) {
                    frames.add(new byte[0]);
                    frames.add(blob(number, size));
                }
                send(socket, frames);
                batch.add(frames);
            }
            for (List<byte[]> frames : batch) {
                List<byte[]> reply = kind.equals("PUSH") ? frames : receive(socket);
                received++;
                if (!same(reply, frames)) {
                    wrong++;
                }
                add(digest, reply);
            }
        }
        if (kind.equals("PUSH")) {
            System.in.read(); // what is still queued would go with the socket
        }
        System.out.println("{\"event\":\"done\",\"received\":" + received + ",\"wrong\":" + wrong + ",\"digest\":\"" + hex(digest) + "\"}");
        socket.close();
        Library.close();
        System.exit(wrong == 0 ? 0 : 1);
    }

    static void worker(Map<String, String> options) throws Exception {
        String kind = options.get("kind");
        ZMQ.Socket socket = Library.open(options, true);
        socket.setLinger(0);
        socket.setReceiveTimeOut(20);
        String endpoint = options.get("bind");
        if (endpoint != null) {
            String host = endpoint.substring(0, endpoint.lastIndexOf(':'));
            endpoint = host + ":" + socket.bindToRandomPort(host);
        } else {
            endpoint = options.get("connect");
            Library.immediate(socket);
            for (int i = 0; i < Integer.parseInt(options.getOrDefault("slots", "1")); i++) {
                socket.connect(endpoint);
            }
        }
        System.out.println("{\"event\":\"ready\",\"endpoint\":\"" + endpoint + "\"}");

        int messages = 0;
        TreeSet<String> identities = new TreeSet<>();
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        while (System.in.available() == 0) {
            if (kind.equals("PUB")) {
                Thread.sleep(5);
                send(socket, List.of(Integer.toString(messages).getBytes(), blob(messages, 1000)));
                messages++;
                continue;
            }
            byte[] first = socket.recv();
            if (first == null) {
                continue;
            }
            List<byte[]> frames = new ArrayList<>();
            frames.add(first);
            while (socket.hasReceiveMore()) {
                frames.add(socket.recv());
            }
            if (kind.equals("PULL")) {
                add(digest, frames);
                messages++;
                if (new String(first).equals("end")) {
                    System.out.println("{\"event\":\"pulled\"}");
                }
                continue;
            }
            if (kind.equals("ROUTER")) {
                identities.add("\"" + new String(first, StandardCharsets.ISO_8859_1) + "\"");
            }
            send(socket, frames);
            messages++;
        }
        socket.close();
        Library.close();
        System.out.println("{\"event\":\"done\",\"messages\":" + messages + ",\"identities\":[" + String.join(",", identities)
            + "],\"digest\":\"" + hex(digest) + "\"}");
        System.exit(0);
    }
}
