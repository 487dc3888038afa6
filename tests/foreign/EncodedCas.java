import java.net.ServerSocket;
import org.apache.axis.configuration.FileProvider;
import org.apache.axis.transport.http.SimpleAxisServer;

/**
 * The service of tests/contracts/encoded by the server of Apache Axis 1.4: EncodedCas PORT SERVER.wsdd. Axis reads the
 * encoded structs, arrays and arrays of arrays, and answers with references (`href`, `multiRef`).
 */
public class EncodedCas {
  /** What was asked for, so that the answer tells what Axis understood. */
  public Result add(Order order, boolean urgent) {
    StringBuilder said = new StringBuilder(order.getCard() + (urgent ? " urgent" : ""));
    for (Right right : order.getRights()) {
      said.append(' ').append(right.getProduct()).append('@');
      said.append(right.getFrom() == null ? "nil" : right.getFrom().toInstant().toString());
    }
    return new Result(0, said.toString());
  }

  public Result remove(String[][] rows, String[][] lists) {
    return new Result(0, java.util.Arrays.deepToString(rows) + java.util.Arrays.deepToString(lists));
  }

  public static void main(String[] args) throws Exception {
    SimpleAxisServer server = new SimpleAxisServer();
    server.setMyConfig(new FileProvider(args[1]));
    server.setServerSocket(new ServerSocket(Integer.parseInt(args[0]), 50, java.net.InetAddress.getLoopbackAddress()));
    server.start();
  }

  public static class Order {
    private String card;
    private Right[] rights;
    public String getCard() { return card; }
    public void setCard(String card) { this.card = card; }
    public Right[] getRights() { return rights; }
    public void setRights(Right[] rights) { this.rights = rights; }
  }

  public static class Right {
    private String product;
    private java.util.Calendar from;
    public String getProduct() { return product; }
    public void setProduct(String product) { this.product = product; }
    public java.util.Calendar getFrom() { return from; }
    public void setFrom(java.util.Calendar from) { this.from = from; }
  }

  public static class Result {
    private int code;
    private String text;
    public Result() {}
    public Result(int code, String text) { this.code = code; this.text = text; }
    public int getCode() { return code; }
    public void setCode(int code) { this.code = code; }
    public String getText() { return text; }
    public void setText(String text) { this.text = text; }
  }
}
