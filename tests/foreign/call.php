<?php // Calls every operation with PHP's SoapClient, on WSDLs read from the server itself: call.php BASE_URL.
set_error_handler(fn ($level, $text) => throw new ErrorException($text));

const CARD = '01300000001', OTHER_CARD = '01300000002';
const BOX = 'php-box-0001', OTHER_BOX = 'php-box-0002';
const PRODUCT = '00001001', OTHER_PRODUCT = '1002';

function check(bool $holds, string $what): void
{
    $holds || throw new Exception($what);
}

function cards(string ...$ids): array
{
    return ['CaClientId' => $ids];
}

function is_fresh(string $transaction): bool
{
    static $seen = [''];
    [$fresh, $seen[]] = [!in_array($transaction, $seen, true), $transaction];
    return $fresh;
}

/** One service: its calls are functions (operation, request, expected status code) that give the answer. */
function service(string $path): Closure
{
    $url = rtrim($GLOBALS['argv'][1], '/') . "/$path";
    $client = new SoapClient("$url?wsdl", [
        'location' => $url, 'cache_wsdl' => WSDL_CACHE_NONE, 'features' => SOAP_SINGLE_ELEMENT_ARRAYS,
    ]);
    return function (string $operation, array $request, string $expected = 'OK') use ($client): object {
        $answer = $client->$operation(["{$operation}Request" => $request]);
        ['StatusCode' => $code, 'TransactionId' => $id] = $status = (array) $answer->TransactionStatus;
        echo "php   $operation: $code $id ", $status['Message'] ?? '', "\n";
        check($code === $expected, "$operation: expected $expected");
        check(is_fresh($id), "$operation: the TransactionId is not fresh");
        return $answer;
    };
}

function check_pairing(): void
{
    $call = service('caclient/pairing');
    $call('CreatePairing', ['CaClientIds' => cards(CARD), 'PairingModuleIds' => ['PairingModuleId' => [BOX]]]);
    $call('AddToExistingPairing', ['CaClientId' => CARD, 'PairingModuleIds' => ['PairingModuleId' => [OTHER_BOX]]]);
    $answer = $call('GetPairingStatusForCard', ['CaClientId' => CARD]);
    check($answer->PairingStatus === 'PAIRED', 'the card is paired');
    check(!array_diff([BOX, OTHER_BOX], $answer->PairingModuleIds->PairingModuleId), 'the card has both boxes');
    $answer = $call('GetPairingStatusForPairingModule', ['PairingModuleId' => BOX]);
    check($answer->PairingStatus === 'PAIRED', 'the box is paired');
    check(in_array(CARD, $answer->CaClientIds->CaClientId, true), 'the box has the card');
}

function check_authorization(): void
{
    $call = service('client/authorization');
    $active = fn () => array_column(
        $call('GetActiveSubscriptions', ['CaClientId' => CARD])->Subscriptions->Subscription ?? [], 'ProductId');
    $days = fn (int $count) => date(DATE_ATOM, time() + $count * 86400);
    $month = ['ProductId' => PRODUCT, 'StartTime' => $days(0), 'EndTime' => $days(30)];
    $subscriptions = ['Subscription' => [$month, ['ProductId' => OTHER_PRODUCT]]];
    $call('AddSubscriptions', ['CaClientIds' => cards(CARD, OTHER_CARD), 'Subscriptions' => $subscriptions]);
    check(!array_diff([PRODUCT, OTHER_PRODUCT], $active()), 'both products are active');
    $month['EndTime'] = $days(60);
    $call('RenewSubscriptions', ['CaClientIds' => cards(CARD), 'Subscriptions' => ['Subscription' => [$month]]]);
    check(in_array(PRODUCT, $active(), true), 'the product is active after renewal');
    $call('CancelSubscriptions', ['CaClientIds' => cards(CARD), 'ProductIds' => ['ProductId' => [PRODUCT]]]);
    check(!in_array(PRODUCT, $active(), true), 'the cancelled product is gone');
    $call('CancelSubscriptions', ['CaClientIds' => cards(CARD), 'ProductIds' => ['ProductId' => [OTHER_PRODUCT]]]);
    check(!in_array(OTHER_PRODUCT, $active(), true), 'the other cancelled product is gone');
}

function check_the_rest(): void
{
    $call = service('caclient/fingerprinting');
    $call('DisplayFingerprint', ['CaClientIds' => cards(CARD)]);
    $call('DisplayFingerprint', [
        'CaClientIds' => cards(CARD, OTHER_CARD),
        'DisplayTime' => '2030-01-01T12:00:00', 'DisplayDurationInSeconds' => 10,
        'PositionX' => 0, 'PositionY' => 120, 'Height' => 24, 'FingerprintSlot' => '1',
    ]);

    $call = service('caclient/ca-pin');
    $call('UpdateCaPinToDefaultValue', ['CaClientIds' => cards(CARD)]);
    $call('UpdateCaPinToGivenValue', ['CaClientIds' => cards(CARD), 'CaPin' => '0042']);

    $call = service('caclient/user-text-messaging');
    $mail = ['CaClientIds' => cards(CARD), 'SequenceNumber' => 11];
    $call('SendMailMessageToClients', $mail + ['Message' => 'Zażółć <gęślą> & jaźń']);
    $call('SendMailMessageToClients', $mail + ['Message' => str_repeat('ж', 141)]);
    $call('SendMailMessageToClients', $mail + ['Message' => str_repeat('x', 200)], 'INPUT_VALIDATION_ERROR');
    $bark = $mail + [
        'Message' => 'Hello', 'DisplayDurationInSeconds' => 20, 'StartIndicationTime' => '2030-01-01T00:00:00+01:00'];
    $call('SendBarkMessageToClients', $bark);
    $call('SendRepeatingBarkMessageToClients', $bark + ['RepetitionCount' => 3, 'RepetitionIntervalInSeconds' => 60]);
}

check_pairing();
check_authorization();
check_the_rest();
