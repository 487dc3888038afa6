<?php
// The rival of measure.py that does the same work: JSON in, PHP's SoapClient out, and a record of both in SQLite, on disk
// before the call goes out and before the answer goes back.
$db = new PDO('sqlite:' . getenv('RECORDS'), null, null, [PDO::ATTR_PERSISTENT => true, PDO::ATTR_TIMEOUT => 30]);
$db->exec('PRAGMA journal_mode = WAL');
$db->exec('PRAGMA synchronous = FULL');
$db->exec('CREATE TABLE IF NOT EXISTS request
    (id TEXT PRIMARY KEY, state TEXT, call TEXT, soap_request TEXT, soap_response TEXT, reference TEXT)');
$call = file_get_contents('php://input');
$parameters = json_decode($call, true);
$id = strtoupper(bin2hex(random_bytes(16)));
$db->prepare('INSERT INTO request (id, state, call) VALUES (?, ?, ?)')->execute([$id, 'PENDING', $call]);
$client = new SoapClient(getenv('WSDL'), ['location' => getenv('LOCATION'), 'trace' => true, 'keep_alive' => true,
    'cache_wsdl' => WSDL_CACHE_BOTH]);
$answer = $client->CreatePairing(['CreatePairingRequest' => [
    'CaClientIds' => ['CaClientId' => array_column($parameters['smartcard_set'], 'smartcard_ca_id')],
    'PairingModuleIds' => ['PairingModuleId' => array_column($parameters['stb_set'], 'stb_ca_id')],
]]);
$status = $answer->TransactionStatus;
$state = $status->StatusCode === 'OK' ? 'COMPLETED' : 'REJECTED';
[$request, $response] = [$client->__getLastRequest(), $client->__getLastResponse()];
$db->prepare('UPDATE request SET state = ?, soap_request = ?, soap_response = ?, reference = ? WHERE id = ?')
    ->execute([$state, $request, $response, $status->TransactionId, $id]);
header('Content-Type: application/json');
$answer = json_encode(['id' => $id, 'life_cycle_state' => $state, 'request' => $request, 'response' => $response]);
header('Content-Length: ' . strlen($answer));
echo $answer;
