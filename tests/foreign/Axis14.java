import java.io.ByteArrayInputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Base64;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import javax.activation.DataHandler;
import javax.xml.namespace.QName;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.soap.MimeHeader;
import javax.xml.soap.SOAPMessage;
import org.apache.axis.AxisFault;
import org.apache.axis.Message;
import org.apache.axis.attachments.AttachmentPart;
import org.apache.axis.client.Call;
import org.apache.axis.client.Service;
import org.apache.axis.message.SOAPBodyElement;
import org.apache.axis.message.SOAPEnvelope;
import org.apache.axis.message.SOAPHeaderElement;
import org.apache.axis.soap.SOAPConstants;
import org.apache.axis.transport.http.HTTPConstants;
import org.apache.axis.utils.XMLUtils;
import org.w3c.dom.Document;
import org.w3c.dom.Element;

/**
 * The steps of replay-steps.py with the client of Apache Axis 1.4, and everything that it saw: Axis14 BASE_URL STEPS.tsv.
 *
 * <p>Envelopes are Axis's own around the body elements of the steps. Its WSDL tools are not used: they want generated code.
 */
public class Axis14 {
  private static final String WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
  private static final String WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
  private static final String PROFILE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0";
  /** What a client acts on; whether a body came compressed is between two hops. */
  private static final Set<String> HEADERS = Set.of(
      "content-type", "www-authenticate", "retry-after", "location", "set-cookie", "soapaction", "mime-version");
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

  private final String base;
  private final String user;
  private final String password;
  private final String card;

  private Axis14(String base, String[] names) {
    this.base = base.replaceAll("/$", "");
    this.user = names[0];
    this.password = names[1];
    this.card = names[2];
  }

  public static void main(String[] args) throws Exception {
    List<String> lines = Files.readAllLines(Path.of(args[1]));
    Axis14 client = new Axis14(args[0], lines.get(0).split("\t"));
    for (String line : lines.subList(1, lines.size())) {
      String[] step = line.split("\t");
      OUT.println("--- " + step[2] + " " + step[0]);
      client.perform(step[0], step[1], step[3]);
    }
  }

  private void perform(String variant, String service, String body) throws Exception {
    Call call = (Call) new Service().createCall();
    call.setTargetEndpointAddress(base + "/" + service);
    call.setTimeout(30000);
    SOAPConstants version = variant.equals("soap12") ? SOAPConstants.SOAP12_CONSTANTS : SOAPConstants.SOAP11_CONSTANTS;
    call.setSOAPVersion(version);
    SOAPEnvelope envelope = new SOAPEnvelope(version);
    envelope.addBodyElement(new SOAPBodyElement(parse(body).getDocumentElement()));
    if (variant.startsWith("wsse")) envelope.addHeader(security(variant.equals("wsse-digest")));
    vary(call, variant);
    Message request = new Message(envelope);
    if (variant.equals("attachment")) {
      // One with a Content-ID of Axis's own making, and one of raw bytes.
      request.addAttachmentPart(new AttachmentPart(new DataHandler("card " + card, "text/plain")));
      byte[] bytes = ("\0\1\2 " + card + " \r\n--").getBytes(StandardCharsets.ISO_8859_1);
      AttachmentPart raw = new AttachmentPart(new DataHandler(new Bytes(bytes)));
      raw.setContentId("raw@axis");
      request.addAttachmentPart(raw);
    }
    charset(request, variant);
    try {
      call.setRequestMessage(request);
      call.invoke();
      show("result", XMLUtils.ElementToString(call.getResponseMessage().getSOAPEnvelope().getFirstBody().getAsDOM()));
    } catch (AxisFault fault) {
      fault.removeFaultDetail(new QName("http://xml.apache.org/axis/", "stackTrace"));
      fault.removeFaultDetail(new QName("http://xml.apache.org/axis/", "hostname"));
      // A failure before any answer has an address in its text, which is another one in each run.
      show("fault", status(call) == null ? fault.getFaultCode() : fault.dumpToString());
    }
    seen(call);
  }

  private void vary(Call call, String variant) {
    if (variant.startsWith("basic")) {
      call.setUsername(user);
      call.setPassword(variant.equals("basic") ? password : "wrong-" + password);
    }
    // Else Axis speaks HTTP/1.0.
    if (variant.equals("chunked")) {
      call.setProperty(org.apache.axis.MessageContext.HTTP_TRANSPORT_VERSION, HTTPConstants.HEADER_PROTOCOL_V11);
      Map<Object, Object> headers = new java.util.Hashtable<>();
      headers.put(HTTPConstants.HEADER_TRANSFER_ENCODING, HTTPConstants.HEADER_TRANSFER_ENCODING_CHUNKED);
      call.setProperty(HTTPConstants.REQUEST_HEADERS, headers);
    }
  }

  private static void charset(Message request, String variant) throws Exception {
    String charset = Map.of("latin1", "ISO-8859-1", "utf16", "UTF-16").get(variant);
    if (charset != null) request.setProperty(SOAPMessage.CHARACTER_SET_ENCODING, charset);
  }

  /** Nonce and time of creation are new each time. */
  private SOAPHeaderElement security(boolean isDigest) throws Exception {
    byte[] nonce = new byte[16];
    new SecureRandom().nextBytes(nonce);
    String created = Instant.now().truncatedTo(ChronoUnit.MILLIS).toString();
    MessageDigest sha1 = MessageDigest.getInstance("SHA-1");
    sha1.update(nonce);
    sha1.update(created.getBytes(StandardCharsets.UTF_8));
    String digest = Base64.getEncoder().encodeToString(sha1.digest(password.getBytes(StandardCharsets.UTF_8)));
    Document document = parse("<w:Security xmlns:w='" + WSSE + "' xmlns:u='" + WSU + "'><w:UsernameToken><w:Username/>"
        + "<w:Password/><w:Nonce/><u:Created/></w:UsernameToken></w:Security>");
    Element token = (Element) document.getDocumentElement().getFirstChild();
    token.setAttributeNS(WSU, "u:Id", "UsernameToken-" + System.nanoTime());
    fill(token, WSSE, "Username", user);
    fill(token, WSSE, "Password", isDigest ? digest : password);
    ((Element) token.getElementsByTagNameNS(WSSE, "Password").item(0))
        .setAttribute("Type", PROFILE + (isDigest ? "#PasswordDigest" : "#PasswordText"));
    fill(token, WSSE, "Nonce", Base64.getEncoder().encodeToString(nonce));
    fill(token, WSU, "Created", created);
    SOAPHeaderElement header = new SOAPHeaderElement(document.getDocumentElement());
    header.setMustUnderstand(true);
    return header;
  }

  private static void fill(Element parent, String space, String name, String text) {
    parent.getElementsByTagNameNS(space, name).item(0).setTextContent(text);
  }

  private static Document parse(String xml) throws Exception {
    DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
    factory.setNamespaceAware(true);
    return factory.newDocumentBuilder().parse(new ByteArrayInputStream(xml.getBytes(StandardCharsets.UTF_8)));
  }

  private static Object status(Call call) {
    return call.getMessageContext().getProperty(HTTPConstants.MC_HTTP_STATUS_CODE);
  }

  private static void seen(Call call) throws Exception {
    if (status(call) == null) return;
    OUT.println("status " + status(call));
    Message answer = call.getMessageContext().getResponseMessage();
    if (answer == null) return;
    Map<String, String> headers = new TreeMap<>();
    for (Iterator<?> all = answer.getMimeHeaders().getAllHeaders(); all.hasNext();) {
      MimeHeader header = (MimeHeader) all.next();
      String name = header.getName().toLowerCase();
      if (HEADERS.contains(name)) headers.put(name, header.getValue());
    }
    headers.forEach((name, value) -> OUT.println("header " + name + ": " + value));
    try {
      show("body", answer.getSOAPPartAsString());
    } catch (Exception unreadable) {
      show("body", unreadable.getClass().getName());
    }
  }

  /** As one line; the quotes and slashes of XML stay as they are. */
  private static void show(String name, Object value) {
    OUT.println(name + " " + String.valueOf(value).replace("\\", "\\\\").replace("\r", "\\r").replace("\n", "\\n"));
  }

  private record Bytes(byte[] bytes) implements javax.activation.DataSource {
    public java.io.InputStream getInputStream() { return new ByteArrayInputStream(bytes); }
    public java.io.OutputStream getOutputStream() { throw new UnsupportedOperationException(); }
    public String getContentType() { return "application/octet-stream"; }
    public String getName() { return "raw"; }
  }
}
