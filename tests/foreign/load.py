"""Loads one WSDL with zeep and prints how many operations it found; any warning is fatal: load.py WSDL."""

import logging
import sys
import warnings

from zeep import Client


class Fatal(logging.Handler):
    def emit(self, record):
        sys.exit(f"zeep: {record.getMessage()}")


warnings.simplefilter("error")
logging.getLogger().addHandler(Fatal(logging.WARNING))

client = Client(sys.argv[1])
ports = [port for service in client.wsdl.services.values() for port in service.ports.values()]
operations = [operation for port in ports for operation in port.binding.all().values()]
for operation in operations:
    [(_, request)] = operation.input.body.type.elements
    answer = dict(operation.output.body.type.elements)
    assert request.type.elements, f"{operation.name}: the request is not understood"
    assert answer["TransactionStatus"].type.elements, f"{operation.name}: the answer is not understood"
print(len(operations))
