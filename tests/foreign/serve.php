<?php // A stateful Conax made of PHP's SoapServer and our WSDLs, its state in the file CONAX_STATE, for php -S.

class Conax
{
    private array $state;

    public function __construct(private string $file)
    {
        $this->state = json_decode(@file_get_contents($file) ?: '{"pairs": [], "subscriptions": {}}', true);
    }

    public function CreatePairing(object $call): array
    {
        return $this->pair($call->CreatePairingRequest->CaClientIds->CaClientId, $call->CreatePairingRequest);
    }

    public function AddToExistingPairing(object $call): array
    {
        return $this->pair([$call->AddToExistingPairingRequest->CaClientId], $call->AddToExistingPairingRequest);
    }

    public function GetPairingStatusForCard(object $call): array
    {
        $boxes = $this->partners(0, $call->GetPairingStatusForCardRequest->CaClientId);
        return $this->answer(['PairingStatus' => $boxes ? 'PAIRED' : 'NOT_PAIRED'])
            + ($boxes ? ['PairingModuleIds' => ['PairingModuleId' => $boxes]] : []);
    }

    public function GetPairingStatusForPairingModule(object $call): array
    {
        $cards = $this->partners(1, $call->GetPairingStatusForPairingModuleRequest->PairingModuleId);
        return $this->answer(['PairingStatus' => $cards ? 'PAIRED' : 'NOT_PAIRED'])
            + ($cards ? ['CaClientIds' => ['CaClientId' => $cards]] : []);
    }

    public function AddSubscriptions(object $call): array
    {
        return $this->subscribe($call->AddSubscriptionsRequest);
    }

    public function RenewSubscriptions(object $call): array
    {
        return $this->subscribe($call->RenewSubscriptionsRequest);
    }

    public function CancelSubscriptions(object $call): array
    {
        foreach ($call->CancelSubscriptionsRequest->CaClientIds->CaClientId as $card) {
            foreach ($call->CancelSubscriptionsRequest->ProductIds->ProductId as $product) {
                unset($this->state['subscriptions']["card $card"]["product $product"]);
            }
        }
        return $this->answer();
    }

    public function GetActiveSubscriptions(object $call): array
    {
        $card = $call->GetActiveSubscriptionsRequest->CaClientId;
        $subscriptions = array_values($this->state['subscriptions']["card $card"] ?? []);
        return $this->answer(['Subscriptions' => ['Subscription' => $subscriptions]]);
    }

    /** The other services keep no state that can be read back. */
    public function __call(string $operation, array $arguments): array
    {
        $message = $arguments[0]->{"{$operation}Request"}->Message ?? 'none';
        $limit = $operation === 'SendMailMessageToClients' ? 141 : 129;
        return $this->answer(code: preg_match("/^.{1,$limit}\$/us", $message) ? 'OK' : 'INPUT_VALIDATION_ERROR');
    }

    private function pair(array $cards, object $request): array
    {
        foreach ($cards as $card) {
            foreach ($request->PairingModuleIds->PairingModuleId as $box) {
                in_array([$card, $box], $this->state['pairs'], true) || $this->state['pairs'][] = [$card, $box];
            }
        }
        return $this->answer();
    }

    private function partners(int $side, string $id): array
    {
        $pairs = array_filter($this->state['pairs'], fn ($pair) => $pair[$side] === $id);
        return array_column($pairs, 1 - $side);
    }

    private function subscribe(object $request): array
    {
        foreach ($request->CaClientIds->CaClientId as $card) {
            foreach ($request->Subscriptions->Subscription as $subscription) {
                $this->state['subscriptions']["card $card"]["product $subscription->ProductId"] = (array) $subscription;
            }
        }
        return $this->answer();
    }

    private function answer(array $payload = [], string $code = 'OK'): array
    {
        file_put_contents($this->file, json_encode($this->state));
        $status = ['StatusCode' => $code, 'TransactionId' => bin2hex(random_bytes(16))];
        return ['TransactionStatus' => $status] + $payload;
    }
}

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
$folder = __DIR__ . '/../../wsdl/';
if ($_SERVER['REQUEST_METHOD'] === 'GET') { // ?wsdl, and the schemas that it imports by relative path
    $file = $folder . basename($path) . (isset($_GET['wsdl']) ? '.wsdl' : '');
    is_file($file) || http_response_code(404) && exit;
    header('Content-Type: text/xml; charset=utf-8');
    echo str_replace('http://localhost:8081', "http://{$_SERVER['HTTP_HOST']}", file_get_contents($file));
    return;
}
$server = new SoapServer($folder . basename($path) . '.wsdl', [
    'cache_wsdl' => WSDL_CACHE_NONE, 'features' => SOAP_SINGLE_ELEMENT_ARRAYS,
]);
$server->setObject(new Conax(getenv('CONAX_STATE')));
$server->handle();
