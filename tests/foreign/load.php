<?php // Loads one WSDL with PHP's SoapClient and prints how many operations it found: load.php WSDL.
set_error_handler(fn ($level, $text) => throw new ErrorException("PHP: $text"));

$client = new SoapClient($argv[1], ['cache_wsdl' => WSDL_CACHE_NONE]);
$fields = [];
foreach ($client->__getTypes() as $type) {
    if (preg_match('/^struct (\w+) \{(.+)\}$/s', $type, $match)) {
        $fields[$match[1]] = $match[2];
    }
}
foreach ($client->__getFunctions() as $function) {
    [, $answer, $name] = preg_match('/^(\w+) (\w+)\(/', $function, $match) ? $match : throw new Exception($function);
    isset($fields["{$name}RequestType"]) || throw new Exception("PHP: the request of $name is not understood");
    str_contains($fields["{$name}ResponseType"] ?? '', 'TransactionStatus')
        || throw new Exception("PHP: the answer of $name is not understood");
}
echo count($client->__getFunctions()), "\n";
