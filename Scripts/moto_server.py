"""moto's S3 server with one user, one bucket and checked signatures, until standard input ends.

Prints one line: ENDPOINT BUCKET ACCESS_KEY SECRET_KEY
"""

import json
import logging
import os
import sys
import urllib.request

import boto3
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
endpoint = f"http://{host}:{port}"
options = {
    "endpoint_url": endpoint, "region_name": "us-east-1",
    "aws_access_key_id": "setup", "aws_secret_access_key": "setup",
}
iam = boto3.client("iam", **options)
iam.create_user(UserName="snapshots")
key = iam.create_access_key(UserName="snapshots")["AccessKey"]
statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
policy = {"Version": "2012-10-17", "Statement": [statement]}
iam.put_user_policy(UserName="snapshots", PolicyName="all", PolicyDocument=json.dumps(policy))
boto3.client("s3", **options).create_bucket(Bucket="snapshots")
# From here on every request needs a right signature.
urllib.request.urlopen(
    urllib.request.Request(
        f"{endpoint}/moto-api/reset-auth", data=b"0", method="POST", headers={"Content-Type": "text/plain"}
    )
).read()
print(endpoint, "snapshots", key["AccessKeyId"], key["SecretAccessKey"], flush=True)
# Its worker threads print what clients are told anyway.
sys.stderr = open(os.devnull, "w")
sys.stdin.read()
server.stop()
