import de.panaccess.cableview.wsdl.v4_0.operator.dev.CableViewServiceLocator;
import de.panaccess.cableview.wsdl.v4_0.operator.dev.CableViewServicePortType;
import java.net.URL;
import java.util.Arrays;
import java.util.Calendar;
import java.util.TimeZone;
import org.apache.axis.AxisFault;

/**
 * Calls a Panaccess by a stub that Apache Axis 1.4 generated from the vendor's own WSDL: PanaccessStub URL. What the stub
 * takes for a void answer, an array of strings or a fault is decided by Axis and that WSDL alone.
 */
public class PanaccessStub {
  public static void main(String[] args) throws Exception {
    CableViewServicePortType panaccess = new CableViewServiceLocator().getCableViewServicePort(new URL(args[0]));
    String session = panaccess.cvLogin("any", "any");
    expect(session != null && !session.isEmpty(), "no session");
    String card = "01450253313";
    Calendar end = Calendar.getInstance(TimeZone.getTimeZone("UTC"));
    end.set(2030, Calendar.JANUARY, 31, 9, 0, 0);
    panaccess.cvSetSmartcardPackages(session, card, new int[] {7, 12}, null, null, end);
    String[] packages = panaccess.cvGetSmartcardPackages(session, card);
    Arrays.sort(packages);
    expect(Arrays.equals(packages, new String[] {"12", "7"}), "packages " + Arrays.toString(packages));
    panaccess.cvSetSmartcardPackages(session, card, new int[] {}, "hc", end, end);
    packages = panaccess.cvGetSmartcardPackages(session, card);
    expect(packages == null || packages.length == 0, "packages " + Arrays.toString(packages));
    panaccess.cvLogout(session);
    try {
      panaccess.cvGetSmartcardPackages(session, card);
      expect(false, "the session is still open");
    } catch (AxisFault fault) {
      String said = fault.getFaultCode().getLocalPart() + " " + fault.getFaultString();
      expect(said.equals("not_logged_in txt_not_logged_in"), "fault " + said);
    }
    System.out.println("ok");
  }

  private static void expect(boolean holds, String message) {
    if (!holds) throw new IllegalStateException(message);
  }
}
