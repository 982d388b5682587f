import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps, Validations } from 'aws-cdk-lib';
import {
  AttributeType,
  BillingMode,
  ProjectionType,
  StreamViewType,
  Table,
  TableEncryption,
} from 'aws-cdk-lib/aws-dynamodb';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import { retentionDays } from '../lib/core/files.ts';
import { adminKeySecret, sealingKeySecret, sessionKeySecret } from '../lib/core/secrets.ts';
import { vendorNames } from '../lib/vendors/index.ts';

/** What must survive a redeploy: the table, the file bucket, the key over both, and the generated secrets. */
export class StorageStack extends Stack {
  readonly key: Key;
  readonly table: Table;
  readonly bucket: Bucket;
  /** The bucket's ARN as other stacks write it into their policies. */
  readonly filesArn: string;

  constructor(scope: Construct, id: string, props: StackProps = {}) {
    super(scope, id, { terminationProtection: true, ...props });
    this.key = new Key(this, 'Key', {
      description: 'Trunkline: table, files and generated secrets',
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    this.#allowLogs();
    this.table = this.#table();
    this.bucket = this.#bucket();
    this.filesArn = this.exportValue(this.bucket.bucketArn);

    this.#secret('AdminKey', adminKeySecret, 'The admin key of Trunkline, without its prefix tl_');
    this.#secret('SealingKey', sealingKeySecret, 'Seals passwords in events and runs');
    for (const vendor of vendorNames) {
      this.#secret(`SessionKey-${vendor}`, sessionKeySecret(vendor), `Seals the ${vendor} sessions in the table`);
    }
    new CfnOutput(this, 'AdminKeyCommand', {
      description: 'Prints the admin key',
      value: `echo "tl_$(aws secretsmanager get-secret-value --region ${this.region} --secret-id ${adminKeySecret} --query SecretString --output text)"`,
    });
  }

  /** CloudWatch encrypts log groups itself, and only those of this account. */
  #allowLogs(): void {
    this.key.addToResourcePolicy(
      new PolicyStatement({
        principals: [new ServicePrincipal(`logs.${this.region}.amazonaws.com`)],
        actions: ['kms:Encrypt', 'kms:Decrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*', 'kms:Describe*'],
        resources: ['*'],
        conditions: {
          ArnLike: {
            'kms:EncryptionContext:aws:logs:arn': `arn:${this.partition}:logs:${this.region}:${this.account}:log-group:*`,
          },
        },
      }),
    );
  }

  #table(): Table {
    const table = new Table(this, 'Table', {
      partitionKey: { name: 'pk', type: AttributeType.STRING },
      sortKey: { name: 'sk', type: AttributeType.STRING },
      billingMode: BillingMode.PAY_PER_REQUEST,
      stream: StreamViewType.NEW_IMAGE,
      timeToLiveAttribute: 'expiresAt',
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      encryption: TableEncryption.CUSTOMER_MANAGED,
      encryptionKey: this.key,
      deletionProtection: true,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    table.addGlobalSecondaryIndex({
      indexName: 'due',
      partitionKey: { name: 'duePk', type: AttributeType.STRING },
      sortKey: { name: 'dueAt', type: AttributeType.NUMBER },
      projectionType: ProjectionType.ALL,
    });
    return table;
  }

  #bucket(): Bucket {
    const bucket = new Bucket(this, 'Files', {
      encryption: BucketEncryption.KMS,
      encryptionKey: this.key,
      bucketKeyEnabled: true,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      removalPolicy: RemovalPolicy.RETAIN,
      lifecycleRules: [
        { abortIncompleteMultipartUploadAfter: Duration.days(1) },
        ...Object.entries(retentionDays).map(([prefix, days]) => ({ prefix, expiration: Duration.days(days) })),
      ],
    });
    Validations.of(bucket).acknowledge({
      id: 'AwsSolutions-S1',
      reason:
        'It holds passing files only, each gone after days, and is reached by our functions and their short-lived links alone; both are in the function logs.',
    });
    return bucket;
  }

  #secret(id: string, secretName: string, description: string): void {
    const secret = new Secret(this, id, {
      secretName,
      description,
      encryptionKey: this.key,
      generateSecretString: { passwordLength: 43, excludePunctuation: true },
      // Recreated with the stack. A retained one would block its name for the next deployment.
      removalPolicy: RemovalPolicy.DESTROY,
    });
    Validations.of(secret).acknowledge({
      id: 'AwsSolutions-SMG4',
      reason:
        'Automatic rotation would invalidate the admin key, or end every live session, at an arbitrary time. Both are replaced manually by storing a new value.',
    });
  }
}
