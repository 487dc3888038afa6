<?php // The steps of replay-steps.py with PHP's SoapClient, and everything that it saw: replay.php BASE_URL STEPS.json.
set_error_handler(fn ($level, $text) => throw new ErrorException($text));

// The headers that a client acts on; whether a body came compressed is between two hops.
const HEADERS = '/^(content-type|www-authenticate|retry-after|location|set-cookie|soapaction|mime-version):\s*(.*)$/i';
const WSSE = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd';
const WSU = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd';
const PROFILE = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0';

[, $base, $file] = $argv;
$base = rtrim($base, '/');
['user' => $user, 'password' => $password, 'steps' => $steps] = json_decode(file_get_contents($file), true);

/** Sends the variant "utf16" as UTF-16 with a byte order mark. */
class Recorder extends SoapClient
{
    public string $variant;

    public function __doRequest(string $request, string $location, string $action, int $version, bool $oneWay = false): ?string
    {
        if ($this->variant === 'utf16') {
            $request = str_replace('UTF-8', 'UTF-16', $request);
            $request = "\xFF\xFE" . iconv('UTF-8', 'UTF-16LE', $request);
        }
        return parent::__doRequest($request, $location, $action, $version, $oneWay);
    }
}

function client(string $variant, string $service): Recorder
{
    global $base, $user, $password;
    static $clients = [];
    $options = match ($variant) {
        'soap12' => ['soap_version' => SOAP_1_2],
        'basic' => ['login' => $user, 'password' => $password],
        'basic-wrong' => ['login' => $user, 'password' => "wrong-$password"],
        'gzip' => ['compression' => SOAP_COMPRESSION_ACCEPT | SOAP_COMPRESSION_GZIP | 5],
        default => [],
    };
    return $clients["$variant $service"] ??= new Recorder("$base/$service?wsdl", $options + [
        'location' => "$base/$service", 'cache_wsdl' => WSDL_CACHE_NONE, 'features' => SOAP_SINGLE_ELEMENT_ARRAYS,
        'trace' => true, 'keep_alive' => $variant !== 'close', 'connection_timeout' => 30,
    ]);
}

/** Nonce and time of creation are new each time. */
function security(bool $isDigest): SoapHeader
{
    global $user, $password;
    $nonce = random_bytes(16);
    $created = (new DateTime('now', new DateTimeZone('UTC')))->format('Y-m-d\TH:i:s.v\Z');
    $secret = $isDigest ? base64_encode(sha1($nonce . $created . $password, true)) : $password;
    $type = PROFILE . ($isDigest ? '#PasswordDigest' : '#PasswordText');
    $xml = '<w:Security xmlns:w="' . WSSE . '" xmlns:u="' . WSU . '"><w:UsernameToken u:Id="UsernameToken-' . bin2hex($nonce) .
        '"><w:Username>' . htmlspecialchars($user) . "</w:Username><w:Password Type=\"$type\">" . htmlspecialchars($secret) .
        '</w:Password><w:Nonce>' . base64_encode($nonce) . "</w:Nonce><u:Created>$created</u:Created>" .
        '</w:UsernameToken></w:Security>';
    return new SoapHeader(WSSE, 'Security', new SoapVar($xml, XSD_ANYXML));
}

function show(string $name, mixed $value): void
{
    echo $name, ' ', json_encode($value, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE), "\n";
}

foreach ($steps as ['variant' => $variant, 'service' => $service, 'operation' => $operation, 'request' => $request]) {
    $client = client($variant, $service);
    $client->variant = $variant;
    $headers = str_starts_with($variant, 'wsse') ? [security($variant === 'wsse-digest')] : null;
    echo "--- $operation $variant\n";
    try {
        show('result', $client->__soapCall($operation, [["{$operation}Request" => $request]], null, $headers));
    } catch (SoapFault $fault) {
        show('fault', [$fault->faultcode, $fault->faultstring, $fault->faultactor ?? null, $fault->detail ?? null]);
    }
    $lines = explode("\r\n", $client->__getLastResponseHeaders() ?? '');
    echo 'status ', explode(' ', $lines[0])[1] ?? '', "\n";
    foreach (preg_grep(HEADERS, $lines) as $line) {
        echo preg_replace_callback(HEADERS, fn ($m) => 'header ' . strtolower($m[1]) . ": $m[2]", $line), "\n";
    }
    show('body', $client->__getLastResponse());
}
