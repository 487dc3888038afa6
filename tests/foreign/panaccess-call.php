<?php
// Calls a Panaccess, such as `conax-gateway simulator` with contract.dir = wsdl/panaccess, by PHP's SoapClient:
// php tests/foreign/panaccess-call.php http://127.0.0.1:8081/cableview/operator

$client = new SoapClient(__DIR__ . '/../../wsdl/panaccess/cableview.wsdl', ['location' => $argv[1], 'cache_wsdl' => WSDL_CACHE_NONE]);
$session = $client->cvLogin('any', 'any');
$card = 'd100000000007';
assert(is_string($session) && $session !== '');
$client->cvSetSmartcardPackages($session, $card, [7, 12], null, null, '2030-01-31T09:00:00');
$packages = $client->cvGetSmartcardPackages($session, $card);
sort($packages, SORT_STRING);
$packages === ['12', '7'] || exit("packages: " . json_encode($packages) . "\n");
$client->cvLogout($session);
try {
    $client->cvGetSmartcardPackages($session, $card);
    exit("the session is still open\n");
} catch (SoapFault $fault) {
    $fault->faultcode === 'not_logged_in' || exit("fault: $fault->faultcode $fault->faultstring\n");
}
echo "ok\n";
