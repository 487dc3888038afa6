<?php
// A small stateful Panaccess (wsdl/panaccess) by PHP's SoapServer: php -S 127.0.0.1:PORT tests/foreign/panaccess.php
// Sessions last for LASTS requests. Packages are kept in a file in the system's temporary folder.

const WSDL = __DIR__ . '/../../wsdl/panaccess/cableview.wsdl';
const LASTS = 5;

class Panaccess
{
    private string $file;
    private array $state;

    public function __construct()
    {
        $this->file = sys_get_temp_dir() . '/panaccess-' . $_SERVER['SERVER_PORT'] . '.json';
        $this->state = is_file($this->file) ? json_decode(file_get_contents($this->file), true) : ['sessions' => [], 'cards' => []];
    }

    public function __destruct()
    {
        file_put_contents($this->file, json_encode($this->state));
    }

    private function enter(?string $session): void
    {
        if (!isset($this->state['sessions'][$session]) || ++$this->state['sessions'][$session] > LASTS) {
            unset($this->state['sessions'][$session]);
            throw new SoapFault('not_logged_in', 'txt_not_logged_in');
        }
    }

    public function cvLogin(string $login, string $password): string
    {
        if ($login !== 'operator-login' || $password !== 'operator-password') {
            throw new SoapFault('bad_login', 'txt_bad_login');
        }
        $id = bin2hex(random_bytes(16));
        $this->state['sessions'][$id] = 0;
        return $id;
    }

    public function cvLogout(?string $sessionId): void
    {
        $this->enter($sessionId);
        unset($this->state['sessions'][$sessionId]);
    }

    public function cvSetSmartcardPackages($sessionId, $smartcardId, $packages, $hcId, $activationTime, $expiryTime): void
    {
        $this->enter($sessionId);
        if (!is_array($packages) || array_filter($packages, fn ($package) => !is_int($package))) {
            throw new SoapFault('bad_packages', 'txt_bad_packages');
        }
        $this->state['cards'][$smartcardId] = [$packages, $hcId, $activationTime, $expiryTime];
    }

    public function cvGetSmartcardPackages($sessionId, $smartcardId): array
    {
        $this->enter($sessionId);
        return array_map('strval', $this->state['cards'][$smartcardId][0] ?? []);
    }
}

$server = new SoapServer(WSDL, ['cache_wsdl' => WSDL_CACHE_NONE]);
$server->setClass(Panaccess::class);
$server->handle();
